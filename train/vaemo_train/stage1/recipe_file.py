"""Reading a recipe: the YAML file, --set, and every fault of both at once."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from vaemo_clips.errors import RecipeError
from vaemo_clips.settings_file import fault_report, pydantic_faults, read_mapping
from vaemo_train.data.batch import NUM_COLOURS
from vaemo_train.data.features import HOP_SAMPLES, NUM_BANDS
from vaemo_train.data.window import NUM_FRAMES, NUM_SAMPLES
from vaemo_train.models.config import SIZES, VAEmoConfig
from vaemo_train.models.masking import num_hidden
from vaemo_train.shards.row import FRAME_STRIDE_S, SAMPLE_RATE_HZ
from vaemo_train.stage1.recipe import ModelOverrides, Stage1Recipe

FIXED_BY_DATA: Final[dict[str, float]] = {
    "num_frames": NUM_FRAMES,
    "frame_stride_s": FRAME_STRIDE_S,
    "num_channels": NUM_COLOURS,
    "num_mel_bins": NUM_BANDS,
    "num_audio_frames": NUM_SAMPLES // HOP_SAMPLES,
    "audio_hop_s": HOP_SAMPLES / SAMPLE_RATE_HZ,
    "sampling_rate": SAMPLE_RATE_HZ,
}
"""Fields of the model that say what windows are; `data` makes them so."""

RECIPE_KEYS: Final = {
    **{name: f"model.{name}" for name in ("decoder_hidden_size", "decoder_num_layers", "target_share")},
    "within_probability": "model.within_probability",
    "video_mask_ratio": "mask.video",
    "audio_mask_ratio": "mask.audio",
    "contrastive_temperature": "loss.temperature",
    **{name: f"loss.{name}" for name in ("contrastive_steps", "pixel_std_floor", "motion_std_floor", "mel_std_floor")},
    "loss_weights": "loss",
}
"""Fields of the model that sections of a recipe are about, and their keys there."""


def load_recipe(path: Path, settings: Sequence[str] = (), num_processes: int = 1) -> Stage1Recipe:
    """Read a recipe file, with the values of --set `settings` (KEY=VALUE, VALUE as YAML) in place of its own.

    Raises RecipeError that lists every fault: unknown keys, values out of range, and settings that contradict each
    other on `num_processes` processes.
    """
    content = read_mapping(path, RecipeError, "recipe", "a recipe is a mapping with 'model', 'length', …")
    faults = [fault for setting in settings if (fault := _apply(content, setting))]
    recipe, form_faults, broken = _validate(content)
    faults += form_faults
    faults += [found.text for found in _contradictions(recipe, num_processes) if not found.rests_on(broken)]
    if faults:
        raise RecipeError(fault_report(path, faults))
    return recipe


def recipe_text(recipe: Stage1Recipe) -> str:
    """Return the resolved recipe as YAML that `load_recipe` reads."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _apply(content: dict[str, Any], setting: str) -> str | None:
    """Put one --set into the content; return its fault, if it has one."""
    key, equals, value = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        return f"--set {setting}: must read KEY=VALUE, as optim.base_lr=0.0003"
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        return f"--set {setting}: the value is not valid YAML: {' '.join(str(error).split())}"
    section = content
    for number, part in enumerate(parts[:-1], 1):
        below = section.get(part)
        if below is None:
            below = section[part] = {}
        if not isinstance(below, dict):
            return f"--set {setting}: {'.'.join(parts[:number])} has no keys below it"
        section = below
    section[parts[-1]] = parsed
    return None


_Place = tuple[str | int, ...]


def _validate(content: dict[str, Any]) -> tuple[Stage1Recipe, list[str], set[_Place]]:
    """Return the recipe without its broken settings, their faults, and where they are."""
    try:
        return Stage1Recipe.model_validate(content), [], set()
    except ValidationError as error:
        places = [tuple(fault["loc"]) for fault in error.errors()]
        faults = [
            _with_hint(text, place, kind)
            for text, place, kind in zip(
                pydantic_faults(error, "recipe"), places, [fault["type"] for fault in error.errors()], strict=True
            )
        ]
        for place in places:
            _remove(content, place)
        recipe, _, _ = _validate(content)
        return recipe, list(dict.fromkeys(faults)), set(places)


def _with_hint(fault: str, place: _Place, kind: str) -> str:
    """Add the names that an unknown key may have meant."""
    if kind != "extra_forbidden":
        return fault
    if place[:2] == ("model", "overrides"):
        return f"{'.'.join(map(str, place))}: {_no_override(str(place[-1]))}"
    section: type[BaseModel] = Stage1Recipe
    for part in place[:-1]:
        below = section.model_fields[str(part)].annotation
        if not (isinstance(below, type) and issubclass(below, BaseModel)):
            return fault
        section = below
    return fault + _did_you_mean(str(place[-1]), section.model_fields)


def _no_override(name: str) -> str:
    """Why a field of the model cannot be among the overrides."""
    if name in FIXED_BY_DATA:
        return f"is what the shards and the loader make it, {FIXED_BY_DATA[name]:g}; leave it out"
    if name in RECIPE_KEYS:
        return f"is set by {RECIPE_KEYS[name]}; write it there"
    return f"no field of the model{_did_you_mean(name, ModelOverrides.__annotations__)}"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.6) or [other for other in names if name in other][:2]
    return f"; did you mean {' or '.join(close)}?" if close else f"; known are {', '.join(sorted(names))}"


def _remove(content: Any, place: _Place) -> None:
    """Take away the deepest part of `place` that is in the content; a fault inside a list takes the list."""
    for number, part in enumerate(place):
        below = content.get(part) if isinstance(content, dict) else None
        if not isinstance(below, dict) or number == len(place) - 1:
            if isinstance(content, dict):
                content.pop(part, None)
            return
        content = below


@dataclass(frozen=True, slots=True)
class _Contradiction:
    """A fault between settings; `keys` are those it rests on."""

    keys: tuple[str, ...]
    text: str

    def rests_on(self, broken: set[_Place]) -> bool:
        """Whether one of its settings is at fault itself."""
        names = {".".join(map(str, place)) for place in broken}
        return any(key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.")
                   for key in self.keys for name in names)  # fmt: skip


def _contradictions(recipe: Stage1Recipe, num_processes: int) -> Iterator[_Contradiction]:
    """Yield what pydantic cannot see: relations between settings."""
    yield from _length_faults(recipe)
    yield from _warmup_faults(recipe)
    yield from _loss_faults(recipe, num_processes)
    yield from _model_faults(recipe)
    if recipe.figure.every_steps and recipe.figure.num_clips > recipe.monitor.num_clips:
        yield _Contradiction(
            ("figure.num_clips", "monitor.num_clips"),
            f"figure.num_clips: {recipe.figure.num_clips} clips cannot be drawn from monitor.num_clips="
            f"{recipe.monitor.num_clips}; raise that or lower this",
        )


def _length_faults(recipe: Stage1Recipe) -> Iterator[_Contradiction]:
    keys = ("length.epochs", "length.max_steps")
    epochs, max_steps = recipe.length.epochs, recipe.length.max_steps
    if epochs is None and max_steps is None:
        yield _Contradiction(keys, "length: neither epochs nor max_steps is given; give one of them")
    if epochs is not None and max_steps is not None:
        yield _Contradiction(
            keys, f"length: epochs={epochs:g} and max_steps={max_steps} are both given; give one (the other null)"
        )


def _warmup_faults(recipe: Stage1Recipe) -> Iterator[_Contradiction]:
    optim, epochs = recipe.optim, recipe.length.epochs
    keys = ("optim.warmup_share", "optim.warmup_epochs")
    if optim.warmup_share is not None and optim.warmup_epochs is not None:
        yield _Contradiction(keys, "optim: warmup_share and warmup_epochs are both given; give one (the other null)")
    if optim.warmup_share is not None and optim.warmup_share >= 1:
        yield _Contradiction(
            keys[:1],
            f"optim.warmup_share: a warm-up over {optim.warmup_share:g} of the run never ends; give less than 1",
        )
    if optim.warmup_epochs is not None and epochs is not None and optim.warmup_epochs >= epochs:
        yield _Contradiction(
            (*keys[1:], "length.epochs"),
            f"optim.warmup_epochs: a warm-up of {optim.warmup_epochs:g} epochs is as long as the run of {epochs:g}; "
            "shorten it",
        )


def _loss_faults(recipe: Stage1Recipe, num_processes: int) -> Iterator[_Contradiction]:
    loss = recipe.loss
    if not (loss.video_pixels or loss.video_motion or loss.audio or loss.contrastive):
        yield _Contradiction(("loss",), "loss: every weight is 0, so nothing would be learnt; give one part a weight")
    if loss.contrastive and recipe.batch.per_device * num_processes == 1:
        yield _Contradiction(
            ("loss.contrastive", "batch.per_device"),
            "batch.per_device: a batch of one has no negatives for the contrastive loss; "
            "give at least 2 clips, or set loss.contrastive to 0",
        )


def _model_faults(recipe: Stage1Recipe) -> Iterator[_Contradiction]:
    size = recipe.model.size
    try:
        config = VAEmoConfig.of_size(size, **recipe.config_fields() | {"contrastive_steps": 1})
    except ValueError as error:
        taken = {"hidden_size", "num_attention_heads"} & recipe.model.overrides.keys()
        named = f" (the size {size} has {SIZES[size]})" if taken else ""
        yield _Contradiction(("model",), f"model: {' '.join(str(error).split())}{named}")
        return
    yield from _mask_faults(recipe, config)
    yield from _stretch_faults(recipe, config)


def _stretch_faults(recipe: Stage1Recipe, config: VAEmoConfig) -> Iterator[_Contradiction]:
    most, wanted = math.gcd(config.num_tubelets, config.projection_size), recipe.loss.contrastive_steps
    if most % wanted:
        able = ", ".join(str(number) for number in range(1, most + 1) if most % number == 0)
        yield _Contradiction(
            ("loss.contrastive_steps", "model.overrides"),
            f"loss.contrastive_steps: {wanted} equal stretches cannot be made of a window's {config.num_tubelets} "
            f"moments and a projection of {config.projection_size} values; give one of {able}",
        )


def _mask_faults(recipe: Stage1Recipe, config: VAEmoConfig) -> Iterator[_Contradiction]:
    parts = (
        ("video", recipe.mask.video, config.num_places, "places of the picture"),
        ("audio", recipe.mask.audio, config.num_audio_tokens, "patches of the sound"),
    )
    for name, ratio, count, noun in parts:
        keys = (f"mask.{name}", "model.overrides")
        if round(count * ratio) >= count:
            yield _Contradiction(
                keys, f"mask.{name}: {ratio:g} of {count} {noun} leaves none visible; give at most {1 - 1 / count:.3g}"
            )
        elif num_hidden(count, ratio) == 0:
            yield _Contradiction(
                keys, f"mask.{name}: {ratio:g} of {count} {noun} hides none; give at least {1 / count:.2g}"
            )
