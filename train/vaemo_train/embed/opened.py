"""The encoder that clips are embedded by: of a run, a model folder, or the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

from vaemo_clips.errors import CheckpointError, ShardError
from vaemo_clips.file_facts import sha256_of
from vaemo_train.models import VAEmoModel, VAEmoProcessor
from vaemo_train.models.processor import FACE_SHARE
from vaemo_train.models.stage1_weights import stage1_config
from vaemo_train.shards.folder import ShardFolder

_CONFIG, _WEIGHTS, _PROCESSOR = "config.json", "model.safetensors", "preprocessor_config.json"
_HUB = re.compile(r"hf://([\w.-]+/[\w.-]+)")
_REMEDY = "give a run of `vaemo-train stage1`, `stage2` or `finetune`, its model folder, or hf://USER/NAME of the Hub"


@dataclass(frozen=True, slots=True, eq=False)
class OpenedModel:
    """An encoder in eval mode, what the user called it, SHA-256 of its files, and the side of the faces it knows.

    `preprocessor_sha256` is "none" for a folder without preprocessor_config.json.
    """

    model: VAEmoModel
    name: str
    weights_sha256: str
    config_sha256: str
    preprocessor_sha256: str
    face_px: int

    @classmethod
    def open(cls, given: str) -> OpenedModel:
        """Open a run, a model folder, or hf://USER/NAME, on this machine's GPU where there is one.

        Only the last form asks the Hub. Raises CheckpointError for anything but a VAEmo model.
        """
        folder = _folder_of(given)
        model = _load(folder, given)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.nn.Module.to(model, device)
        processor = folder / _PROCESSOR
        return cls(
            model=model,
            name=given,
            weights_sha256=sha256_of(folder / _WEIGHTS),
            config_sha256=sha256_of(folder / _CONFIG),
            preprocessor_sha256=sha256_of(processor) if processor.is_file() else "none",
            face_px=face_side_px(model, str(folder)),
        )

    def check_faces(self, shards: ShardFolder) -> None:
        """Raise ShardError for shards whose faces the model would see at another scale than it learned them."""
        if shards.settings.size_px != self.face_px:
            raise ShardError(
                f"{shards.path}: its faces are {shards.settings.size_px} px, {self.name} was trained on {self.face_px} "
                f"px, of which it sees the middle {self.model.config.image_size}; embed from the media files instead"
            )


def face_side_px(model: VAEmoModel, folder: str) -> int:
    """The side in pixels of the stored faces that a model was trained on, as the processor beside it says.

    Without one it is FACE_SHARE of what the model sees.
    """
    if not folder:
        return round(FACE_SHARE * model.config.image_size)
    try:
        return int(VAEmoProcessor.from_pretrained(folder).face_size)
    except (OSError, ValueError):
        return round(FACE_SHARE * model.config.image_size)


def _folder_of(given: str) -> Path:
    if given.startswith("hf:"):
        return _from_hub(given)
    for folder in (Path(given) / "model", Path(given)):
        if (folder / _CONFIG).is_file() and (folder / _WEIGHTS).is_file():
            return folder
    if Path(given).exists():
        raise CheckpointError(f"--model {given}: no {_CONFIG} with {_WEIGHTS} in it; {_REMEDY}")
    raise CheckpointError(
        f"--model {given}: there is no run {given}; train it first with `vaemo-train stage1`, or {_REMEDY}"
    )


def _from_hub(given: str) -> Path:
    found = _HUB.fullmatch(given)
    if found is None:
        raise CheckpointError(f"--model {given}: a model of the Hub is hf://USER/NAME; {_REMEDY}")
    try:
        return Path(snapshot_download(found[1], allow_patterns=[_CONFIG, _WEIGHTS, _PROCESSOR]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(f"--model {given}: the Hub gives no such model ({said}); {_REMEDY}") from error


def _load(folder: Path, given: str) -> VAEmoModel:
    """The encoder in eval mode; weights that are not there would be random ones: CheckpointError."""
    stage1_config(folder)
    disable_progress_bar()  # of transformers: one for each model
    try:
        opened: Any = VAEmoModel.from_pretrained(folder, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(f"--model {given} cannot be read as a model ({said}); {_REMEDY}") from error
    loaded: tuple[VAEmoModel, dict[str, Any]] = opened
    model, told = loaded
    missing = sorted(told["missing_keys"])
    if missing:
        raise CheckpointError(
            f"--model {given} lacks {len(missing)} weights of the encoder, {missing[0]} among them; it was trained by "
            f"another version, or is damaged: {_REMEDY}"
        )
    model.eval()
    return model
