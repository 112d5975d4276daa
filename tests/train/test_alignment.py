"""The model of stage 2: which tokens meet which text, nothing computed for nothing, weights that come and go."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from tests.support.golden_loss import structured_batch
from tests.support.tiny_vaemo import tiny_batch, tiny_config, tiny_model
from vaemo_clips.errors import CheckpointError
from vaemo_train.models import ALIGNMENT_PATHS, VAEmoConfig, VAEmoForCaptionAlignment, VAEmoForPreTraining, VAEmoModel

_NO_STAGE1: dict[str, float] = {"video_pixels": 0.0, "video_motion": 0.0, "audio": 0.0, "contrastive": 0.0}
_WHOLE: dict[str, Any] = {"video_mask_ratio": 0.0, "audio_mask_ratio": 0.0, "loss_weights": _NO_STAGE1}
_TEXT_WEIGHT = "alignment.text.visual.projection.weight"
_SMALL: dict[str, Any] = {"text_size": 12, "alignment_size": 16}


def _model(seed: int = 0, **overrides: Any) -> VAEmoForCaptionAlignment:
    torch.manual_seed(seed)
    return VAEmoForCaptionAlignment(tiny_config(**{**_SMALL, "loss_weights": _NO_STAGE1, **overrides}))


def _texts(num_clips: int = 4, seed: int = 0, paths: tuple[str, ...] = ALIGNMENT_PATHS) -> dict[str, dict[str, Tensor]]:
    chance = torch.Generator().manual_seed(seed)
    return {
        "text_embeds": {path: normalize(torch.randn(num_clips, 12, generator=chance), dim=1) for path in paths},
        "text_ids": {path: torch.arange(num_clips) for path in paths},
        "has_text": {path: torch.ones(num_clips, dtype=torch.bool) for path in paths},
    }


def _padding() -> dict[str, Any]:
    """Clip 1 has no picture, clip 2 no sound, clip 3 is short."""
    video, audio = torch.zeros(4, 16, dtype=torch.bool), torch.zeros(4, 256, dtype=torch.bool)
    video[1], audio[2], video[3, 8:], audio[3, 128:] = True, True, True, True
    return {"video_padding_mask": video, "audio_padding_mask": audio}


@contextmanager
def _upper_runs(model: VAEmoForCaptionAlignment) -> Iterator[list[tuple[int, bool]]]:
    """How many tokens of a clip go through the upper blocks, run by run, and whether modalities are kept apart."""
    runs: list[tuple[int, bool]] = []
    hook = model.vaemo.upper[0].register_forward_pre_hook(
        lambda _, inputs, named: runs.append((inputs[0].shape[1], named["within"])), with_kwargs=True
    )
    yield runs
    hook.remove()


def test_every_path_has_its_part_and_the_loss_is_their_weighted_sum() -> None:
    model = _model(alignment_weights={"acoustic": 0.5})
    out = model(**tiny_batch(), **_texts(), batch_seed=1)
    assert list(out.parts) == list(ALIGNMENT_PATHS)
    torch.testing.assert_close(out.loss, out.parts["visual"] + 0.5 * out.parts["acoustic"] + out.parts["affect"])
    assert out.metrics["affect_pairs"] == 4
    assert out.metrics["visual_chance"] == 0.25
    assert out.metrics["temperature_acoustic"].item() == pytest.approx(0.07)
    for path in ALIGNMENT_PATHS:
        torch.testing.assert_close(out.clip_vectors[path].norm(dim=1), torch.ones(4))
        torch.testing.assert_close(out.text_vectors[path].norm(dim=1), torch.ones(4))


def test_a_clip_takes_part_on_the_paths_that_it_has_a_modality_and_a_text_of() -> None:
    texts = _texts()
    texts["has_text"]["affect"][0] = False
    with torch.no_grad():
        out = _model()(**tiny_batch(), **_padding(), **texts, batch_seed=1)
    assert out.is_pair["visual"].tolist() == [True, False, True, True]
    assert out.is_pair["acoustic"].tolist() == [True, True, False, True]
    assert out.is_pair["affect"].tolist() == [False, True, True, True]


def test_a_path_without_a_pair_has_no_part() -> None:
    model, batch, texts = _model(), tiny_batch(), _texts()
    texts["has_text"]["visual"][:] = False
    assert list(model(**batch, **texts).parts) == ["acoustic", "affect"]
    video = {"pixel_values_videos": batch["pixel_values_videos"]}
    assert list(model(**video, **_texts()).parts) == ["visual", "affect"]
    assert list(model(**batch, **_texts(paths=("visual",))).parts) == ["visual"]
    assert list(_model(alignment_weights={"visual": 0.0})(**batch, **_texts()).parts) == ["acoustic", "affect"]


def test_a_batch_without_any_text_costs_nothing_and_can_be_stepped_back_from() -> None:
    model = _model()
    out = model(**tiny_batch(), text_embeds={}, text_ids={}, has_text={})
    out.loss.backward()
    assert (out.loss.item(), out.parts) == (0.0, {})


def test_the_upper_blocks_run_for_what_is_asked_and_no_more() -> None:
    model, batch = _model(**_WHOLE), tiny_batch()
    for paths, given, expected in (
        (ALIGNMENT_PATHS, batch, [(256, False), (256, True)]),
        (("affect",), batch, [(256, False)]),
        (("visual", "acoustic"), batch, [(256, True)]),
        (("visual",), batch, [(128, True)]),
        (("acoustic",), batch, [(128, True)]),
        (ALIGNMENT_PATHS, {"input_features": batch["input_features"]}, [(128, False)]),
        ((), batch, []),
    ):
        with _upper_runs(model) as runs:
            model(**given, **_texts(paths=paths))
        assert runs == expected, paths


def test_without_a_weight_neither_decoder_nor_contrastive_head_runs() -> None:
    for weights, ran in (
        (_NO_STAGE1, (False, False)),
        ({**_NO_STAGE1, "contrastive": 0.1}, (False, True)),
        ({**_NO_STAGE1, "audio": 0.1}, (True, False)),
    ):
        model = _model(loss_weights=weights)
        seen: set[str] = set()
        model.decoder.register_forward_hook(lambda *_, seen=seen: seen.add("decoder"))
        model.contrastive.register_forward_hook(lambda *_, seen=seen: seen.add("contrastive"))
        out = model(**tiny_batch(), **_texts())
        assert ("decoder" in seen, "contrastive" in seen) == ran
        assert set(out.parts) - set(ALIGNMENT_PATHS) == {name for name, weight in weights.items() if weight}


def test_the_losses_of_stage_1_are_those_of_stage_1() -> None:
    first = tiny_model(within_probability=0.0, loss_weights={"contrastive": 0.1}).eval()
    model = VAEmoForCaptionAlignment.from_stage1(first, **_SMALL).eval()
    given = {**tiny_batch(), **_padding(), "batch_seed": 5}
    with torch.no_grad():
        before, out = first(**given), model(**given, **_texts())
        again = model(**given)
    for name, part in before.parts.items():
        assert torch.equal(part, out.parts[name])
    assert torch.equal(before.video_projection, out.video_projection)
    torch.testing.assert_close(out.loss, before.loss + sum(out.parts[path] for path in ALIGNMENT_PATHS))
    assert torch.equal(again.loss, before.loss), "without texts the forward pass is that of stage 1"


@pytest.mark.parametrize("padding", [{}, _padding()], ids=["whole", "padded"])
def test_nothing_hidden_gives_the_vectors_of_whole_clips(padding: dict[str, Any]) -> None:
    model = _model(**_WHOLE).eval()
    with torch.no_grad():
        out = model(**tiny_batch(), **padding, **_texts())
    whole = model.clip_embeds(**tiny_batch(), **padding)
    for path in ALIGNMENT_PATHS:
        assert torch.equal(out.is_pair[path], whole.is_there[path])
        there = whole.is_there[path]
        torch.testing.assert_close(out.clip_vectors[path][there], whole.vectors[path][there])
        torch.testing.assert_close(out.text_vectors[path], model.text_embeds(_texts()["text_embeds"][path], path))


def test_video_alone_is_blind_to_sound_and_the_fused_vector_is_not() -> None:
    model = _model().eval()
    batch, other = tiny_batch(), {**tiny_batch(), "input_features": tiny_batch(seed=9)["input_features"]}
    first, second = model.clip_embeds(**batch).vectors, model.clip_embeds(**other).vectors
    torch.testing.assert_close(first["visual"], second["visual"])
    assert not torch.allclose(first["acoustic"], second["acoustic"])
    assert not torch.allclose(first["affect"], second["affect"])
    alone = model.clip_embeds(**batch, modality="video").vectors
    assert set(alone) == {"visual", "affect"}
    torch.testing.assert_close(alone["visual"], first["visual"])
    torch.testing.assert_close(alone["affect"], model.clip_embeds(**other, modality="video").vectors["affect"])
    assert set(model.clip_embeds(**batch, modality="audio", paths=["acoustic"]).vectors) == {"acoustic"}
    assert model.clip_embeds(input_features=batch["input_features"], modality="video").vectors == {}


def test_a_clip_that_lacks_a_modality_has_the_vectors_of_what_it_has() -> None:
    model = _model().eval()
    mixed = model.clip_embeds(**tiny_batch(), **_padding())
    assert mixed.is_there["visual"].tolist() == [True, False, True, True]
    assert mixed.is_there["affect"].all()
    video, audio = (model.clip_embeds(**tiny_batch(), modality=modality).vectors for modality in ("video", "audio"))
    torch.testing.assert_close(mixed.vectors["affect"][1], audio["affect"][1])
    torch.testing.assert_close(mixed.vectors["affect"][2], video["affect"][2])


def test_clips_are_embedded_in_evaluation_mode_only() -> None:
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        _model().clip_embeds(tiny_batch()["pixel_values_videos"])


def test_the_embedding_of_a_text_that_is_not_there_changes_nothing() -> None:
    losses = []
    for filling in (0.0, float("nan")):
        texts = _texts()
        for path in ALIGNMENT_PATHS:
            texts["has_text"][path][2] = False
            texts["text_embeds"][path][2] = filling
        model = _model(soft_share=0.3)
        out = model(**tiny_batch(), **texts, batch_seed=1)
        out.loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        losses.append((out.loss, torch.cat([gradient.flatten() for gradient in gradients])))
    assert torch.isfinite(losses[1][1]).all()
    torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=0)


def test_texts_of_other_names_or_shapes_are_told() -> None:
    texts = _texts()
    with pytest.raises(ValueError, match="text_embeds names visual, acoustic, affect, text_ids none, has_text none"):
        _model()(**tiny_batch(), text_embeds=texts["text_embeds"])
    with pytest.raises(ValueError, match=r"text_embeds\['visual'\] is \(4, 12\); it must be \(4, 384\)"):
        _model(text_size=384)(**tiny_batch(), **texts)
    with pytest.raises(ValueError, match="give pixel_values_videos, input_features, or both"):
        _model()(**texts)


def test_vectors_are_in_float32_under_autocast() -> None:
    model = _model().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = model(**tiny_batch(), **_texts(), batch_seed=1)
    tensors = [out.loss, *out.clip_vectors.values(), *out.text_vectors.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_the_mean_of_the_training_texts_says_nothing() -> None:
    model, text = _model(), _texts()["text_embeds"]["visual"]
    before = model.text_embeds(text, "visual")
    model.set_text_means({"visual": torch.full((12,), 0.3)})
    torch.testing.assert_close(model.text_embeds(text + 0.3, "visual"), before)
    torch.testing.assert_close(model.text_embeds(text, "affect"), model.alignment.text_vectors("affect", text))


def test_temperatures_stay_in_their_bounds_and_come_back_from_them() -> None:
    model = _model()
    with torch.no_grad():
        model.alignment.log_temperature.copy_(torch.tensor([-20.0, math.log(0.07), 20.0]))
    found = {path: value.item() for path, value in model.temperatures.items()}
    assert found == pytest.approx({"visual": 0.01, "acoustic": 0.07, "affect": 0.5})
    model(**tiny_batch(), **_texts(), batch_seed=1).loss.backward()
    gradient = model.alignment.log_temperature.grad
    assert gradient is not None
    assert (gradient != 0).all(), "at a bound a temperature is not stuck"
    assert model.alignment.log_temperature.max().item() == pytest.approx(math.log(0.5))


def _loaded(kind: Any, folder: Path) -> Any:
    return kind.from_pretrained(folder, output_loading_info=True)


def test_a_saved_model_comes_back_and_serves_as_encoder_and_as_stage_1(tmp_path: Path) -> None:
    model = _model(seed=3, text_model="some/model", text_model_digest="ab", soft_share=0.2).eval()
    model.set_text_means({"visual": torch.randn(12)})
    model.alignment.clip["visual"]["video"].centring.mean.copy_(torch.randn(16))
    model.save_pretrained(tmp_path)
    again, told = _loaded(VAEmoForCaptionAlignment, tmp_path)
    assert not told["missing_keys"]
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    assert {**again.config.to_dict(), "_name_or_path": ""} == model.config.to_dict()
    batch = tiny_batch()
    for kind, encoder in ((VAEmoModel, lambda m: m), (VAEmoForPreTraining, lambda m: m.vaemo)):
        lesser, told = _loaded(kind, tmp_path)
        assert not told["missing_keys"]
        assert not told["unexpected_keys"]
        assert torch.equal(encoder(lesser.eval())(**batch).pooler_output, model.vaemo(**batch).pooler_output)


def test_new_heads_of_a_stage_1_checkpoint_begin_as_in_a_new_model(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    heads = VAEmoForCaptionAlignment.from_pretrained(tmp_path).alignment
    torch.testing.assert_close(heads.temperatures, torch.full((3,), 0.07))
    values = heads.state_dict()
    assert all((value == 0).all() for name, value in values.items() if name.endswith("mean"))
    norms = [value for name, value in values.items() if name.endswith("norm.weight")]
    assert len(norms) == 4
    assert all((value == 1).all() for value in norms)


def test_stage_1_goes_on_from_a_model_or_its_folder(tmp_path: Path) -> None:
    first = tiny_model(seed=3, loss_weights={"contrastive": 0.1})
    first.save_pretrained(tmp_path)
    models = []
    for source in (first, tmp_path, str(tmp_path)):
        torch.manual_seed(8)
        models.append(VAEmoForCaptionAlignment.from_stage1(source, **_SMALL, loss_weights={"audio": 0.5}))
    for model in models:
        weights = model.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in first.state_dict().items())
        assert torch.equal(weights[_TEXT_WEIGHT], models[0].state_dict()[_TEXT_WEIGHT])
        assert model.config.loss_weights == {**(first.config.loss_weights or {}), "audio": 0.5}
    torch.manual_seed(9)
    other = VAEmoForCaptionAlignment.from_stage1(models[0], text_size=7)
    assert other.config.alignment_size == 16
    assert other.state_dict()[_TEXT_WEIGHT].shape == (16, 7)


def test_a_folder_without_a_whole_model_of_stage_1_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"has no config\.json and no model\.safetensors; give the folder `model`"
    ):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)
    tiny_model().vaemo.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"lacks \d+ weights of a stage-1 model, vaemo\.\S+ among them"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)
    tiny_model().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"is \(2, 32\), and the settings make it \(2, 64\)"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path, hidden_size=64)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if "mask_token" not in name}, tmp_path / "model.safetensors"
    )
    with pytest.raises(CheckpointError, match=r"lacks 1 weights of a stage-1 model, decoder\.mask_token"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read as a model"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"alignment_weights": {"face": 1.0}}, "alignment_weights names face; its parts are visual, acoustic, affect"),
        ({"alignment_temperature": 0.6}, "alignment_temperature=0.6 must lie between alignment_temperature_min=0.01"),
        ({"soft_share": 1.5}, "soft_share=1.5 must be between 0 and 1"),
        ({"soft_temperature": 0.0}, "soft_temperature=0.0 must be above 0"),
    ],
)
def test_settings_that_mean_nothing_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        VAEmoConfig(**settings)


def test_a_reconstruction_of_what_is_never_hidden_is_told() -> None:
    with pytest.raises(ValueError, match=r"loss_weights\.audio is above 0, but audio_mask_ratio=0 hides nothing"):
        _model(audio_mask_ratio=0.0, loss_weights={"audio": 0.5})


def test_training_brings_clips_to_their_descriptions() -> None:
    model, texts = _model(**_WHOLE), _texts()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        out = model(**structured_batch(4, 0), **texts)
        out.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(out.loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert all(out.metrics[f"{path}_top1"] == 1 for path in ALIGNMENT_PATHS)


def _joint(batch: dict[str, Tensor], texts: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Metrics, the loss and gradients of a model that hides nothing: which tokens are hidden hangs on the process."""
    model = _model(**{**_WHOLE, "loss_weights": {**_NO_STAGE1, "contrastive": 0.1}, "soft_share": 0.3})
    runner = DistributedDataParallel(model, find_unused_parameters=True) if dist.is_initialized() else model
    out = runner(**batch, **texts)
    out.loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    metrics = {name: value for name, value in out.metrics.items() if "contrastive" not in name}  # of one process
    return {"loss": out.loss.detach(), **metrics, **gradients}


def _halves(which: slice) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Eight clips; those of the second half have no visual text, and none of the first has a sound."""
    texts = _texts(8)
    texts["has_text"]["visual"][4:] = False
    texts["has_text"]["affect"][[1, 6]] = False
    texts["text_ids"]["affect"] = torch.tensor([0, 1, 2, 3, 2, 5, 6, 7])
    is_silent = torch.zeros(8, 256, dtype=torch.bool)
    is_silent[:4] = True
    batch = {**tiny_batch(8), "audio_padding_mask": is_silent, "clip_number": torch.tensor([0, 1, 2, 3, 4, 0, 6, 7])}
    batch["window_begin_s"] = torch.arange(8, dtype=torch.float64)
    cut = {name: {path: part[which] for path, part in parts.items()} for name, parts in texts.items()}
    return {name: part[which] for name, part in batch.items()}, cut


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    batch, texts = _halves(slice(4 * rank, 4 * rank + 4))
    if rank == 1:
        for parts in texts.values():
            del parts["visual"]  # a path that a process has no text of need not be named
    found = _joint(batch, texts)
    dist.all_reduce(found["loss"])
    found["loss"] /= 2
    if rank == 0:
        torch.save(found, f"{folder}/joint.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one_where_each_lacks_pairs_of_a_path(tmp_path: Path) -> None:
    spawn(_process, args=(str(tmp_path),), nprocs=2)
    found, whole = torch.load(tmp_path / "joint.pt"), _joint(*_halves(slice(0, 8)))
    assert {"visual_top1", "acoustic_top1", "affect_top1", _TEXT_WEIGHT} < set(whole)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=2e-5)
