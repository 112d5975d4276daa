"""The protocol of a finished fine-tuning, built again from what it noted: shards, labels, who is tested when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from vaemo_clips.errors import RunFolderError, ShardError, SplitError
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.finetune.request import PROTOCOL, read_protocol
from vaemo_train.finetune.run import Task
from vaemo_train.finetune.seen import digest_of_rows
from vaemo_train.protocol.splits import Split, make_splits
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.record import one_line


def is_finetuning(place: Path) -> bool:
    """Whether a folder is one of `vaemo-train finetune`, of all its folds and seeds."""
    return (place / PROTOCOL).is_file()


@dataclass(frozen=True, slots=True, eq=False)
class Rebuilt:
    """Shards, labels and splits of the fine-tuning in the folder `out`: the very ones that it was trained with."""

    out: Path
    recipe: FinetuneRecipe
    folder: ShardFolder
    targets: Targets
    splits: tuple[Split, ...]

    @classmethod
    def read(cls, out: Path, data: Path | None = None, manifest: Path | None = None) -> Rebuilt:
        """Build all again; `data` and `manifest` say where shards and labels lie now, if not where they lay.

        Raises RunFolderError for a protocol that cannot be read, ShardError for other shards, SplitError for other
        labels or folds, and what `Targets.read` and `make_splits` raise.
        """
        noted = read_protocol(out)
        request, identity = noted["request"], noted["identity"]
        recipe = _recipe(out, identity)
        try:
            folder = ShardFolder.open(data or Path(request["data"]))
            _refuse_other_shards(out, folder, identity["data"])
            targets = _targets(folder, request, manifest)
            if Task.of(folder, targets).label_digest != identity["labels"]:
                source = manifest or request["manifest"] or f"column {request['label_column']} of {folder.path}"
                raise SplitError(
                    f"{out}: the labels are not those that it was trained with ({source} was changed); give the "
                    f"manifest as it was with --clips, or fine-tune again"
                )
            splits = make_splits(
                targets.rows, targets, folds=request["folds"],
                validation_share=recipe.select.validation_share, seed=recipe.seed,
            )  # fmt: skip
            _refuse_other_folds(out, [split.name for split in splits], identity["folds"])
        except (KeyError, TypeError) as error:
            raise RunFolderError(f"{out / PROTOCOL} lacks {one_line(error)}; fine-tune again") from error
        return cls(out, recipe, folder, targets, splits)

    def check(self, split: Split, record: Mapping[str, Any]) -> None:
        """Raise SplitError where the run.json of a training of this split notes another test part."""
        if record.get("identity", {}).get("test") != digest_of_rows(split.test):
            raise SplitError(
                f"{self.out}: fold {split.name} was tested on other clips than its speakers and folds give now; give "
                f"the manifest as it was with --clips, or fine-tune again"
            )


def _recipe(out: Path, identity: Mapping[str, Any]) -> FinetuneRecipe:
    try:
        return FinetuneRecipe.model_validate(yaml.safe_load(identity["recipe"]))
    except (KeyError, ValidationError, yaml.YAMLError, AttributeError) as error:
        raise RunFolderError(f"{out / PROTOCOL}: its recipe cannot be read ({one_line(error)}); fine-tune again") from (
            error
        )


def _refuse_other_shards(out: Path, folder: ShardFolder, noted: str) -> None:
    if folder.digest != noted:
        raise ShardError(
            f"{folder.path}: not the shards that {out} was trained on (digest {folder.digest[:12]}…, not "
            f"{str(noted)[:12]}…), so nobody knows which clips test which model; give those with --data, or judge one "
            f"model on these: --model {out}/fold-…/seed-0"
        )


def _targets(folder: ShardFolder, request: Mapping[str, Any], manifest: Path | None) -> Targets:
    noted = request["manifest"]
    return Targets.read(
        folder, label_column=request["label_column"], target_columns=tuple(request["target_columns"]),
        manifest=manifest or (None if noted is None else Path(noted)), skip_unlabelled=request["skip_unlabelled"],
    )  # fmt: skip


def _refuse_other_folds(out: Path, found: list[str], noted: list[str]) -> None:
    if found != noted:
        raise SplitError(
            f"{out}: folds {', '.join(found)} are made now, but it was trained with {', '.join(noted)}; give the "
            f"manifest as it was with --clips, or fine-tune again"
        )
