"""Push a finished training to a model repository of the Hub."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from vaemo_clips.hub.destination import Destination, check_license, hub_token
from vaemo_clips.hub.portable import portable_json
from vaemo_clips.hub.upload import Pushed, PushedFile, upload
from vaemo_train.outcome.model_card import model_card, weights_of
from vaemo_train.outcome.results_file import Results
from vaemo_train.push.encoder_card import encoder_card, licence_text
from vaemo_train.push.finished import FinishedTraining, find_training
from vaemo_train.push.staging import OWNED, stage_model


@dataclass(frozen=True, slots=True)
class ModelPush:
    """What was pushed, or in a dry run what would be; `pushed` is None there, `notes` are for the user."""

    url: str
    files: tuple[PushedFile, ...]
    card: str
    stage: str
    notes: tuple[str, ...]
    pushed: Pushed | None

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


def push(run: Path, repo: str, *, private: bool, dry_run: bool, license_id: str | None = None) -> ModelPush:
    """Push the training in `run` to the model repository `repo` in one commit; see `find_training`.

    One model lies at the repository's top, those of a whole fine-tuning in fold-*/seed-*/model. Never pushed are
    optimizers, checkpoints, logs, pickles, and the figures of single clips
    that stage 1 draws, which show people. The token is that of the usual Hub login, the Hub is HF_ENDPOINT.

    Raises UserError (repository or licence name), RunFolderError and CheckpointError (nothing finished, weights that
    are no numbers) or ServerError (no token, or a Hub that refuses or cannot be reached).
    """
    to = Destination(repo, "model", private)
    check_license(license_id)
    if not dry_run:
        hub_token()  # better missed now than after all weights are read
    found = find_training(run)
    card = _card(found, to, license_id)
    with tempfile.TemporaryDirectory(prefix="vaemo-push-") as name:
        files = stage_model(found, card, Path(name))
        told = tuple(file.listed() for file in files)
        pushed = None if dry_run else upload(files, to, owned=OWNED, message="Push a model with the VAEmo toolkit")
    return ModelPush(to.url, told, card, found.stage, found.notes, pushed)


def _card(found: FinishedTraining, to: Destination, license_id: str | None) -> str:
    """The card with scores where there are any, else that of an encoder."""
    if found.results is None:
        return encoder_card(found, to, license_id)
    results = Results.model_validate(portable_json(found.results.model_dump(mode="json")))
    model, place = found.models[0], found.place(found.models[0]).removesuffix("/")
    if found.is_one:
        weights = weights_of(results, str(model.record.get("fold")), int(model.record["seeds"]["training"]))
    else:
        weights = f"The models lie in fold-*/seed-*/model, one for each fold and seed; `{place}` is the first."
    local = "/".join(filter(None, (to.name, place)))
    text = model_card(results, name=to.name, license_name=license_id, weights=weights, model=local)
    heading = "## How to use it\n\n"
    download = f"```bash\nhf download {to.repo} --local-dir {to.name}\n```\n\n"
    text = text.replace(heading, f"{heading}{download}", 1)
    return text.replace("## Citation\n", f"## Licence\n\n{licence_text(license_id)}\n\n## Citation\n", 1)
