"""What of the captions reaches the model in training: all that may, nothing of a held-out clip, verdicts heeded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from tests.support.caption_folders import NOTHING_SAID, write_captions, write_verdicts
from tests.support.tiny_alignment import QUIET, SeenTexts, Site, clip_ids, rows_of, speaker_of, texts_at_the_model
from tests.support.tiny_run import HookedConsole, logged, same_state
from vaemo_train.captions.joined import Captions, join_captions
from vaemo_train.captions.paths import PATHS
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.texts.cache import EmbeddingCache
from vaemo_train.texts.model import TextModel

EPOCH = ("batch.accumulate=1", "length.max_steps=null", "length.epochs=1", "optim.warmup_share=0", "save_steps=100")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site.make(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def text_model(site: Site) -> TextModel:
    return TextModel.open(str(site.text_model))


def joined(site: Site) -> Captions:
    return join_captions(site.captions, rows_of(site.shards), np.arange(1), allow_unknown=True)


def embeddings(site: Site, captions: Captions, model: TextModel) -> NDArray[np.float32]:
    return EmbeddingCache(site.captions, model).embeddings(captions.texts)


def model_of(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def texts_given(seen: Sequence[SeenTexts], captions: Captions) -> Iterator[tuple[str, str, str]]:
    """(clip_id, path, text) of all that the model was given to learn from; `clip_number` counts the clips."""
    clips = sorted({clip for path in PATHS for clip in captions.clip_of[path].tolist()})
    assert clips == [f"clip_{number:04d}" for number in range(len(clips))]
    for batch in seen:
        for path in PATHS:
            told = zip(batch.clip_number, batch.text_ids[path], batch.has_text[path], strict=True)
            yield from ((clips[clip], path, captions.texts[text]) for clip, text, has in told if has)


@pytest.mark.parametrize("holdout", ["speaker=speaker_01", "speaker=speaker_03,speaker_00", None])
def test_no_text_of_a_held_out_clip_is_given_to_the_model_or_counted_in_a_mean(
    site: Site, text_model: TextModel, tmp_path: Path, holdout: str | None
) -> None:
    captions = joined(site)
    vectors = torch.from_numpy(embeddings(site, captions, text_model))
    with texts_at_the_model() as seen:
        summary = site.train(tmp_path / "run", *EPOCH, "length.epochs=2", holdout=holdout)
    # a row's number is the clip's, for every clip has one row
    trained = {f"clip_{int(number):04d}" for batch in seen for number in batch.clip_number}
    speakers = speaker_of(site.shards)
    out = {clip for clip in clip_ids(site.shards) if clip not in trained}
    if holdout is not None:
        assert out == {clip for clip, speaker in speakers.items() if speaker in holdout}
    assert len(out) in (5, 10)
    assert {speakers[clip] for clip in out}.isdisjoint(speakers[clip] for clip in trained)

    is_of_out = torch.tensor([text.split(",")[0] in out for text in captions.texts])
    assert is_of_out.sum() == 3 * len(out)
    for batch in seen:
        for path in PATHS:
            assert not is_of_out[batch.text_ids[path]].any()
            apart = torch.cdist(batch.text_embeds[path], vectors[is_of_out])
            assert apart.min() > 1e-4, "nor under another number"
            assert torch.equal(batch.text_embeds[path], vectors[batch.text_ids[path]])
    weights = model_of(summary.folder.path)
    for path in PATHS:
        own = [number for number, text in enumerate(captions.texts) if text.endswith(path) and not is_of_out[number]]
        torch.testing.assert_close(
            weights[f"alignment.text.{path}.mean"], vectors[own].double().mean(dim=0).float(), rtol=0, atol=1e-7
        )
    assert summary.diagnostics is not None, "but what was held out was looked at"


def test_captions_of_held_out_clips_change_nothing_that_is_learnt(site: Site, tmp_path: Path) -> None:
    speakers = speaker_of(site.shards)
    trained = [{"clip_id": clip} for clip, speaker in speakers.items() if speaker != "speaker_02"]
    others = [{"clip_id": clip} for clip, speaker in speakers.items() if speaker == "speaker_02"]
    without = site.of(captions=tmp_path / "captions")
    write_captions(without.captions / "trained", trained)
    console = HookedConsole()
    without.train(tmp_path / "without", holdout="speaker=speaker_02", console=console)
    assert any(
        "fewer than two clips with captions are held out: nothing is monitored" in line for line in console.lines
    )
    more = [{**row, f"{path}_description": f"Aside of {row['clip_id']}: {path}"} for row in others for path in PATHS]
    write_captions(without.captions / "another", [{**row, "sample_index": n} for n, row in enumerate(more)])
    summary = without.train(tmp_path / "with", holdout="speaker=speaker_02")
    assert summary.diagnostics is not None
    assert same_state(model_of(tmp_path / "with"), model_of(tmp_path / "without"))
    losses = [
        [
            {name: value for name, value in line.items() if "monitor" not in name}
            for line in logged(out)
            if "loss" in line
        ]
        for out in (tmp_path / "with", tmp_path / "without")
    ]
    assert losses[0] == losses[1]


def test_every_description_of_a_clip_has_its_turn_and_none_of_another_clip(site: Site, tmp_path: Path) -> None:
    several = site.of(captions=tmp_path / "captions")
    clips = clip_ids(site.shards)
    samples = [{"clip_id": clip, "sample_index": sample} for clip in clips for sample in range(3)]
    write_captions(several.captions, samples)
    with texts_at_the_model() as seen:
        several.train(tmp_path / "run", *QUIET, *EPOCH, "batch.per_device=5", "length.epochs=16")
    given = list(texts_given(seen, joined(several)))
    assert len(given) == 16 * 20 * 3
    assert all(text.split(",")[0] == clip and text.endswith(path) for clip, path, text in given)
    # each of 180 is missed in all of 16 epochs with a chance of 0.0015
    assert len(set(given)) > 0.97 * 20 * 3 * 3
    counts = {sample: sum(f"sample {sample}:" in text for _, _, text in given) for sample in range(3)}
    assert all(abs(count - len(given) / 3) < 5 * (len(given) * 2 / 9) ** 0.5 for count in counts.values())


def test_verdicts_reach_the_training(site: Site, tmp_path: Path) -> None:
    judged = site.of(captions=tmp_path / "captions")
    write_captions(judged.captions, [{"clip_id": clip} for clip in clip_ids(site.shards)])
    verdicts: list[dict[str, Any]] = [
        {"clip_id": "clip_0000", "verdict": "drop"},
        {"clip_id": "clip_0007", "verdict": "drop"},
        {"clip_id": "clip_0003", "verdict": "fixed", "fixed_description": "A mended feeling."},
        {"clip_id": "clip_0004", "verdict": "keep"},
    ]
    write_verdicts(judged.captions, verdicts)
    with texts_at_the_model() as seen:
        judged.train(tmp_path / "run", *QUIET, *EPOCH)
    told = join_captions(judged.captions, rows_of(site.shards), np.arange(1)).texts
    numbers = [int(number) for batch in seen for number in batch.clip_number]
    assert sorted(numbers) == [number for number in range(20) if number not in (0, 7)], "all but the dropped, once"
    given = {
        (int(clip), path): told[text]
        for batch in seen
        for path in PATHS
        for clip, text in zip(batch.clip_number, batch.text_ids[path].tolist(), strict=True)
    }
    assert given[3, "affect"] == "A mended feeling."
    assert given[3, "visual"] == "clip_0003, sample 0: visual"
    assert given[4, "affect"] == "clip_0004, sample 0: affect"


def test_a_clip_without_a_description_of_a_path_takes_no_part_there(site: Site, tmp_path: Path) -> None:
    sparse = site.of(captions=tmp_path / "captions")
    rows: list[dict[str, Any]] = [{"clip_id": clip} for clip in clip_ids(site.shards)]
    rows[2] |= {"visual_description": None}
    rows[5] = {"clip_id": rows[5]["clip_id"], **NOTHING_SAID, "visual_description": "The brows rise."}
    rows[6] |= NOTHING_SAID
    write_captions(sparse.captions, rows)
    with texts_at_the_model() as seen:
        sparse.train(tmp_path / "run", *QUIET, *EPOCH, "batch.per_device=2", "length.epochs=2")
    has = {
        (int(clip), path): bool(there)
        for batch in seen
        for path in PATHS
        for clip, there in zip(batch.clip_number, batch.has_text[path], strict=True)
    }
    lacking = {key for key, there in has.items() if not there}
    assert lacking == {(2, "visual"), (5, "acoustic"), (5, "affect")}
    assert (6, "affect") not in has, "a clip of which nothing is said is no clip to train on"


def test_a_row_number_and_a_clip_number_are_the_same_here(site: Site) -> None:
    """What the tests above rest on."""
    assert ShardFolder.open(site.shards).rows["clip_id"].to_pylist() == clip_ids(site.shards)
