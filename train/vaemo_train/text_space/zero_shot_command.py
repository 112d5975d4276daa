"""`vaemo-train zero-shot` as a user sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from vaemo_clips.errors import SplitError
from vaemo_clips.file_facts import sha256_of
from vaemo_train.evaluate.clip_vectors import PATHS_OF, ClipVectors
from vaemo_train.evaluate.features import MODALITIES
from vaemo_train.evaluate.folds import shown, texts
from vaemo_train.evaluate.labels_file import LabelTexts, choose_labels, read_labels
from vaemo_train.evaluate.report import confusion_report
from vaemo_train.evaluate.text_report import zero_shot_report
from vaemo_train.evaluate.zero_shot import ZeroShot, label_vectors, zero_shot
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.text_space.answer import check_out, console, write_numbers
from vaemo_train.text_space.gallery import Gallery
from vaemo_train.text_space.space import TextSpace

NAMES = {"video": "V", "audio": "A", "both": "VA"}


@dataclass(frozen=True, slots=True)
class Naming:
    """The labels as the file of --labels describes them, its digest, and the `column` that holds the right ones."""

    given: str
    described: LabelTexts
    digest: str
    column: str

    @classmethod
    def read(cls, labels: str, column: str) -> Naming:
        """Read the labels, by the name of a shipped file or by path. Raises RecipeError."""
        path = choose_labels(labels)
        return cls(labels, read_labels(path), sha256_of(path), column)

    def choose(self, folder: ShardFolder) -> LabelTexts:
        """The labels to choose from: those that any clip of the shards has, also one that is not scored.

        Raises SplitError for fewer than two.
        """
        occurring = {str(one) for one in texts(folder.rows[self.column].to_pylist()) if one is not None}
        chosen = self.described.only(occurring)
        if len(chosen.names) < 2:
            raise SplitError(
                f"--labels {self.given} describes {shown(self.described.names)}; fewer than two of them are in the "
                f"column {self.column} of the shards, which holds {shown(occurring) or 'nothing'}; name the labels as "
                "the clips do"
            )
        return chosen


def name_clips(gallery: Gallery, naming: Naming, out: Path | None) -> None:
    """Print how often clips are named rightly by the descriptions of labels alone; write the scores to `out`."""
    check_out(out)
    check_column(gallery.folder, naming.column)
    chosen = naming.choose(gallery.folder)
    clips = gallery.clips()
    truth = truth_of(gallery.folder, clips, naming.column)
    results = zero_shot_scores(gallery.space, clips, chosen, truth)
    if not results and not np.isin(truth.astype(str), chosen.names).any():
        raise SplitError(
            f"none of these {len(truth):,} clips has a label of --labels {naming.given} in the column {naming.column}, "
            f"which holds {shown({str(one) for one in truth if one is not None}) or 'nothing'}; search other clips"
        )
    if not results:
        raise SplitError(
            f"--labels {naming.given} describes {' and '.join(chosen.paths)} only, which none of the clips with such a "
            "label has; describe other paths"
        )
    for line in _lines(results, chosen, naming):
        console().print(line)
    if (note := gallery.note()) is not None:
        typer.echo(note)
    facts = gallery.facts(
        clips, labels=naming.given, labels_sha256=naming.digest, label_column=naming.column, names=list(chosen.names)
    )
    write_numbers(out, {**{name: one.as_dict() for name, one in results.items()}, "of": facts})
    typer.echo(f'next: vaemo-train retrieve "a trembling voice" {gallery.options}')


def _lines(results: Mapping[str, ZeroShot], chosen: LabelTexts, naming: Naming) -> Iterator[Table | str]:
    """The scores, who was mistaken for whom where most is seen, and which labels were no choice."""
    yield zero_shot_report(results, f"named among {', '.join(chosen.names)}, by their descriptions alone")
    name = max(results, key=lambda name: (*_extent(name), name))
    yield ""
    yield confusion_report(results[name].scores, f"{name}: percent of each label's clips")
    others = [name for name in naming.described.names if name not in chosen.names]
    if others:
        yield f"no choice, since no clip has it: {', '.join(others)}"
    unknown = {label for one in results.values() for label in one.left_out if label}
    if others and unknown:
        told = f"if some of these mean {shown(unknown)}"
        yield f"{told}: name the labels as the column {naming.column} does, --labels FILE"


def _extent(name: str) -> tuple[bool, ...]:
    """Orders results by how much is seen and by how much of what is said counts."""
    seen, path = name.split(", ")
    return seen == "VA", path == "all paths", path == "affect"


def check_column(folder: ShardFolder, column: str) -> None:
    """Raise SplitError for a column that the shards do not have."""
    if column not in folder.rows.column_names:
        raise SplitError(
            f"--label-column {column}: the shards have no such column; they have {shown(folder.rows.column_names)}"
        )


def truth_of(folder: ShardFolder, clips: ClipVectors, column: str) -> NDArray[np.object_]:
    """The labels of the clips (n,) in a column of the shards, None where they have none."""
    by_clip = dict(zip(folder.rows["clip_id"].to_pylist(), folder.rows[column].to_pylist(), strict=True))
    return texts([by_clip[clip_id] for clip_id in clips.clip_ids.tolist()])


def zero_shot_scores(
    space: TextSpace, clips: ClipVectors, labels: LabelTexts, truth: NDArray[np.object_]
) -> dict[str, ZeroShot]:
    """Scores by what is seen of a clip and by path ("VA, affect"); "all paths" goes by the mean of their cosines.

    Clips without that modality are left out of its scores.
    """
    vectors = {}
    of_text = space.text_vectors(labels.texts)
    number_of = {text: number for number, text in enumerate(labels.texts)}
    for path in labels.paths:
        described, whose = labels.of_path(path)
        own = of_text[path][[number_of[text] for text in described]]
        vectors[path] = label_vectors(own, whose, labels.names)
    results = {}
    for name, cosines_nC, has in _cosines(clips, vectors):
        of_clips = clips.columns.get("speaker")
        speakers = None if of_clips is None or any(one is None for one in of_clips[has]) else of_clips[has]
        if any(label in labels.names for label in truth[has]):
            results[name] = zero_shot(cosines_nC[has], truth[has], labels.names, speakers=speakers)
    return results


def _cosines(
    clips: ClipVectors, labels: dict[str, NDArray[np.float64]]
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.bool_]]]:
    """By name: the cosines of clips and labels (n, C), and which clips have them (n,)."""
    for modality in MODALITIES:
        paths = [path for path in PATHS_OF[modality] if path in labels]
        by_path = {path: clips.vectors[modality][path] @ labels[path].T for path in paths}
        if len(paths) > 1:
            by_path["all paths"] = np.mean(list(by_path.values()), axis=0)
        for path, cosines in by_path.items():
            has = np.logical_not(np.isnan(cosines).any(axis=1))
            if has.any():
                yield f"{NAMES[modality]}, {path}", np.asarray(cosines, np.float64), np.asarray(has)
