"""Clips centred by their speaker: who is seen and heard says nothing, in training and in what is embedded later."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.described_clips import WHOLE, described_model, random_texts
from tests.support.synthetic_shards import write_shards
from tests.support.tiny_alignment import Site, clip_ids, still_means, texts_at_the_model
from tests.support.tiny_run import HookedConsole, logged, same_state, state_of
from tests.support.tiny_text_space import tiny_alignment_model
from tests.support.tiny_vaemo import tiny_batch, tiny_config
from vaemo_train.evaluate import clip_vectors, folds
from vaemo_train.evaluate.clip_vectors import ClipVectors, embed_clips
from vaemo_train.models import VAEmoForCaptionAlignment
from vaemo_train.models.alignment_heads import ClipHead
from vaemo_train.models.contrastive_head import Centring, compared_speakers
from vaemo_train.shards.folder import ShardFolder

SPEAKERS = torch.tensor([3, 3, 0, -1, -1, 0, 3, 7])
IS_THERE = torch.tensor([True, True, True, True, True, False, True, True])


def test_a_clip_is_centred_by_its_speaker_s_clips_that_are_there_else_by_all() -> None:
    rows = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    centring = Centring(5).train()
    found = centring(rows, IS_THERE, SPEAKERS)
    own, of_all = rows[[0, 1, 6]].mean(0), rows[IS_THERE].mean(0)
    torch.testing.assert_close(found[[0, 1, 6]], rows[[0, 1, 6]] - own)
    lone = [2, 3, 4, 7]  # the other of speaker 0 is not there; nobody's two are not of one person
    torch.testing.assert_close(found[lone], rows[lone] - of_all)
    torch.testing.assert_close(centring.mean, of_all * 0.1)
    rows[5] = 1e3
    torch.testing.assert_close(Centring(5).train()(rows, IS_THERE, SPEAKERS)[IS_THERE], found[IS_THERE])


def test_the_running_mean_is_that_of_all_clips_and_alone_counts_outside_of_training() -> None:
    rows = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    by_speaker, by_clips = Centring(5).train(), Centring(5).train()
    by_speaker(rows, IS_THERE, SPEAKERS)
    torch.testing.assert_close(by_clips(rows, IS_THERE), rows - rows[IS_THERE].mean(0))
    assert torch.equal(by_speaker.mean, by_clips.mean)
    before = by_speaker.mean.clone()
    found = by_speaker.eval()(rows, IS_THERE, SPEAKERS)
    assert torch.equal(found, rows - before)
    assert torch.equal(found, by_clips.eval()(rows, IS_THERE))
    assert torch.equal(by_speaker.mean, before)


def test_gradients_of_a_speaker_s_clips_add_up_to_nothing() -> None:
    rows = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
    weight[[2, 3, 4, 5, 7]] = 0
    (Centring(5).train()(rows, IS_THERE, SPEAKERS) * weight).sum().backward()
    assert rows.grad is not None
    torch.testing.assert_close(rows.grad.sum(0), torch.zeros(5), atol=1e-6, rtol=0)
    assert rows.grad[0].abs().sum() > 0


def test_a_speaker_of_whom_there_is_one_clip_alone_is_not_compared_with_its_other_windows() -> None:
    speakers, clips = torch.tensor([0, 0, 1, 1, 1, -1, 2]), torch.tensor([4, 4, 5, 5, 6, 7, 8])
    found = compared_speakers(speakers, clips)
    assert found is not None
    assert found.tolist() == [-1, -1, 1, 1, 1, -1, -1]
    assert compared_speakers(speakers, None) is speakers
    model = described_model(**WHOLE, alignment_centring="speakers")
    clip_number = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6])
    lone, nobody = (
        losses(model, torch.zeros(8, 16), clip_number=clip_number, speaker_number=torch.tensor(numbers))
        for numbers in ([0, 0, 1, 1, 1, 2, 2, 2], [-1, -1, 1, 1, 1, 2, 2, 2])
    )
    assert lone == nobody


@contextmanager
def offset(model: VAEmoForCaptionAlignment, offset_BP: Tensor) -> Iterator[None]:
    """Add something to what every clip head's projection says of each clip."""
    heads = [part.projection for part in model.modules() if isinstance(part, ClipHead)]
    hooks = [head.register_forward_hook(lambda _, __, out: out + offset_BP) for head in heads]
    yield
    for hook in hooks:
        hook.remove()


def losses(model: VAEmoForCaptionAlignment, offset_BP: Tensor, **named: Any) -> dict[str, float]:
    """Of eight clips; the model's running means are still, so that it is the same the next time."""
    with still_means(), offset(model.train(), offset_BP), torch.no_grad():
        out = model(**tiny_batch(8), **random_texts(8), batch_seed=0, **named)
    return {"loss": float(out.loss), **{name: float(value) for name, value in out.parts.items()}}


@pytest.mark.parametrize("more", [WHOLE, {}], ids=["whole", "masked"])
def test_what_all_clips_of_a_speaker_share_changes_no_loss(more: dict[str, Any]) -> None:
    chance = torch.Generator().manual_seed(1)
    speaker_number = torch.tensor([0, 1, 2, 0, 1, 2, 2, 0])
    shared_BP = 0.3 * torch.randn(3, 16, generator=chance)[speaker_number]
    by_speaker = described_model(**more, alignment_centring="speakers")
    still = losses(by_speaker, torch.zeros(8, 16), speaker_number=speaker_number)
    assert set(still) == {"loss", "visual", "acoustic", "affect", "affect_video", "affect_audio"}
    found = losses(by_speaker, shared_BP, speaker_number=speaker_number)
    assert found == pytest.approx(still, rel=2e-4)
    by_clips = described_model(**more)
    expected = losses(by_clips, torch.zeros(8, 16))
    assert losses(by_clips, torch.zeros(8, 16), speaker_number=speaker_number) == expected, "it is not heeded there"
    changed = losses(by_clips, shared_BP, speaker_number=speaker_number)
    assert all(abs(changed[name] - expected[name]) > 1e-2 for name in expected)
    assert losses(by_speaker, torch.zeros(8, 16)) == pytest.approx(expected), "nor without speakers"


def test_another_word_than_these_is_refused() -> None:
    with pytest.raises(ValueError, match="alignment_centring='people' must be clips or speakers"):
        tiny_config(alignment_centring="people")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """Nine clips of four speakers; sounds alone are 1, 4, 7, pictures alone 2, 5, 8."""
    path = write_shards(tmp_path_factory.mktemp("s") / "shards", 9, modality=("both", "audio", "video"), seconds=2.0)
    return ShardFolder.open(path)


@contextmanager
def named(folder: ShardFolder, speakers: list[str | None]) -> Iterator[None]:
    """Let other people speak in the nine clips."""

    def texts(values: Any) -> Any:
        found = folds.texts(values)
        return np.array(speakers, object) if str(found[0]).startswith("speaker") else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_vectors, "texts", texts)
        yield


@contextmanager
def lengths_kept() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_vectors, "_unit", lambda vectors_nP: vectors_nP)
        yield


def embedded(folder: ShardFolder, centring: str, speakers: list[str | None]) -> ClipVectors:
    model = tiny_alignment_model(alignment_centring=centring)
    with named(folder, speakers):
        return embed_clips(model, folder, num_windows=1)


def test_clips_of_a_speaker_add_up_to_nothing_and_others_are_left_as_they_are(shards: ShardFolder) -> None:
    speakers = ["a", "a", "a", "b", "c", "a", None, "a", None]
    with lengths_kept():
        lengthy = embedded(shards, "speakers", speakers)
    units = embedded(shards, "speakers", speakers)
    by_clips = embedded(shards, "clips", speakers)
    for modality, path, own, others in [
        ("video", "visual", [0, 2, 5], [3, 6, 8]), ("video", "affect", [0, 2, 5], [3, 6, 8]),
        ("audio", "acoustic", [0, 1, 7], [3, 4, 6]), ("both", "affect", [], [0, 3, 6]),
    ]:  # fmt: skip
        raw, found, old = (one.vectors[modality][path] for one in (lengthy, units, by_clips))  # type: ignore[index]
        lacking = np.setdiff1d(np.arange(9), own + others)
        for values in (raw, found):
            assert np.isnan(values[lacking]).all()
            assert np.isfinite(values[own + others]).all(), "what a speaker's other clip lacks spoils nothing"
        np.testing.assert_allclose(raw[own].sum(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(found[others], old[others], atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(found[own + others], axis=1), 1, atol=1e-5)
        assert not own or np.abs(found[own] - old[own]).max() > 1e-2


def test_clips_that_are_all_alike_have_no_direction_once_centred(shards: ShardFolder) -> None:
    """Rounding must not be taken for what tells clips apart."""
    model = tiny_alignment_model(alignment_centring="speakers")
    for part in model.modules():
        if isinstance(part, ClipHead):
            part.projection.register_forward_hook(lambda _, __, out: torch.linspace(-1, 1, 16).expand_as(out))
    with named(shards, ["a"] * 9):
        found = embed_clips(model, shards, num_windows=1, modalities=("video",))
    assert np.array_equal(found.vectors["video"]["visual"][[0, 2, 3, 5, 6, 8]], np.zeros((6, 16)))


CHANGES = ("heads.centring=speakers", "heads.clips_of_speaker=2")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Twenty clips of four speakers, of which the first ten have captions."""
    return Site.make(tmp_path_factory.mktemp("site"), captions=[{"clip_id": f"clip_{clip:04d}"} for clip in range(10)])


def test_a_run_goes_through_resumes_to_the_bit_and_leaves_a_model_that_centres_by_speaker(
    site: Site, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    with texts_at_the_model() as seen:
        assert site.train(whole, *CHANGES).state == "done"
    paired = {int(clip) for one in seen for clip in one.clip_number[one.has_text["affect"]]}
    assert paired < {int(clip) for one in seen for clip in one.clip_number}, "clips without captions are there"
    console = HookedConsole(lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None)
    first = site.train(out, *CHANGES, console=console)
    assert (first.state, first.step) == ("interrupted", 3)
    assert site.train(out, *CHANGES, resume=True).state == "done"
    assert same_state(state_of(out, 6), state_of(whole, 6))
    assert logged(out) == logged(whole)
    assert any("monitor/affect_text_to_clip_recall1" in line for line in logged(whole))
    assert json.loads((whole / "model" / "config.json").read_text())["alignment_centring"] == "speakers"
    model = VAEmoForCaptionAlignment.from_pretrained(whole / "model").eval()
    with lengths_kept():
        found = embed_clips(model, ShardFolder.open(site.shards), num_windows=1, modalities=("both",))
    assert len(found.clip_ids) == len(clip_ids(site.shards)) == 20
    for values in found.vectors["both"].values():
        for speaker in set(found.columns["speaker"].tolist()):
            own = values[found.columns["speaker"] == speaker]
            np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-5)
            assert np.abs(own).max() > 1e-3


def test_the_model_is_told_who_speaks_and_only_where_it_matters(site: Site, tmp_path: Path) -> None:
    told: list[Tensor | None] = []
    forward = Centring.forward

    def note_and_run(self: Centring, rows: Tensor, there: Tensor, speaker: Tensor | None = None) -> Tensor:
        if self.training:
            told.append(speaker)
        return forward(self, rows, there, speaker)

    quiet = ("monitor.every_steps=0", "save_steps=100", "length.max_steps=2", "batch.per_device=6")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Centring, "forward", note_and_run)
        site.train(tmp_path / "speakers", *CHANGES, *quiet)
        known = [speaker for speaker in told if speaker is not None]
        assert len(known) == len(told) > 0
        assert all(len(set(speaker.tolist())) < 6 for speaker in known)
        told.clear()
        site.train(tmp_path / "clips", *quiet)
    assert set(told) == {None}
