"""The files of a model repository: weights as they are, records without this machine, figures of numbers, a card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from vaemo_clips.errors import CheckpointError
from vaemo_clips.hub.portable import portable_json
from vaemo_clips.hub.upload import HubFile
from vaemo_train.finetune.request import RESULTS
from vaemo_train.push.finished import CONFIG, FinishedTraining, Stage, TrainedModel

OWNED: Final = (
    "*.safetensors", "*.safetensors.index.json", CONFIG, "preprocessor_config.json", "processor_config.json",
    "figures/*", "fold-*/seed-*", RESULTS, "run.json", "recipe.yaml",
)  # fmt: skip
"""Files that a later push may remove."""
_SETTINGS: Final = (CONFIG, "preprocessor_config.json", "processor_config.json", "model.safetensors.index.json")
_OF_CLIPS: Final = "step-*"
"""Figures that stage 1 draws of single clips: they show people, whose consent and licence nobody has looked at."""
_TOLD: Final = (
    "format_version", "state", "began", "command", "identity", "data", "counts", "held_out", "parameters",
    "encoder_parameters", "steps", "warmup_steps", "clips_per_step", "peak_lr", "seeds", "git", "versions", "machine",
    "captions", "init", "text_model", "fold", "classes", "test_rows", "validation_rows", "validation_speakers",
    "chosen_step", "validation_score", "wall_s", "monitor",
)  # fmt: skip
"""What of run.json is published; whatever else stands there is left behind because it is not named here."""
_PEOPLE: Final = ("validation_speakers",)
"""Of these, lists of people by their names in the source."""


def stage_model(found: FinishedTraining, card: str, stage: Path) -> list[HubFile]:
    """Write records and the card into `stage`; return them and the weights and figures, which stay where they lie."""
    files = [HubFile("README.md", _write(stage / "README.md", card))]
    for model in found.models:
        files += _model_files(model, found.place(model), stage)
    if found.results is not None:
        text = _json(portable_json(found.results.model_dump(mode="json")))
        files.append(HubFile(RESULTS, _write(stage / RESULTS, text)))
    pictures = found.whole if found.whole is not None else found.models[0].run.path
    files += [HubFile(f"figures/{path.name}", path) for path in _pictures(pictures / "figures", found.stage)]
    return sorted(files, key=lambda file: file.path)


def _model_files(model: TrainedModel, place: str, stage: Path) -> Iterator[HubFile]:
    yield from (HubFile(f"{place}{path.name}", path) for path in model.weights)
    for name in _SETTINGS:
        if (model.folder / name).is_file():
            content = portable_json(_read_json(model.folder / name))
            yield HubFile(f"{place}{name}", _write(stage / place / name, _json(content)))
    above = place.removesuffix("model/")
    text = _json(published_record(model))
    yield HubFile(f"{above}run.json", _write(stage / above / "run.json", text))
    recipe = published_recipe(model)
    if recipe:
        yield HubFile(f"{above}recipe.yaml", _write(stage / above / "recipe.yaml", recipe))


def published_record(model: TrainedModel) -> dict[str, Any]:
    """What of run.json is published; of people, such as the speakers who chose a checkpoint, their number alone."""
    told: dict[str, Any] = {name: portable_json(model.record[name]) for name in _TOLD if name in model.record}
    return told | {name: len(told[name]) for name in _PEOPLE if isinstance(told.get(name), list)}


def published_recipe(model: TrainedModel) -> str:
    """The run's recipe as YAML, without folders of this machine; empty where there is none."""
    if not model.run.recipe.is_file():
        return ""
    content = yaml.safe_load(model.run.recipe.read_text(encoding="utf-8"))
    return yaml.safe_dump(portable_json(content), sort_keys=False, allow_unicode=True, width=110)


def _pictures(folder: Path, stage: Stage) -> list[Path]:
    found = (path for suffix in ("png", "svg") for path in folder.glob(f"*.{suffix}"))
    return sorted(path for path in found if stage != "stage1" or not path.match(_OF_CLIPS))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); train it again") from error


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
