"""Are planted faults found? Synthetic captions with their truth, checked by `vaemo-annotate check`'s own function.

    python -m benchmarks.planted_captions [--bank development|development2|development3|final] [--captions 2000]
        [--seed 1] [--misses FILE]

A fault is found where its reason is among those of the caption's verdict. Recall: of the captions with that fault.
Precision: of the captions for which that reason is given, those with that fault, or with one that rightly has it, too
(`also` in the bank). The phrases of all banks were written without knowledge of the check's words and thresholds; the
check was mended after a look at what it missed of the development banks, and is measured on the final one, once. The
bank's SHA-256 is printed, so that a figure tells of which phrases it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import datasets
import typer
from tests.support.run_folder import write_run_folder

from benchmarks.machine import describe_machine
from benchmarks.planted_rows import EXTRA_FIELDS, PlantedCaption, planted_captions
from benchmarks.planted_scene import BankNameOrAlias, bank, bank_file, bank_name, use_bank
from vaemo_clips.file_facts import sha256_of
from vaemo_clips.verdict import SOFTWARE, VERDICTS_FILE, read_verdicts

PACKAGES = ("numpy", "pyarrow", "py3langid", "rensa", "pyemotionwheel", "vaderSentiment")
_TEXTS = ("visual_description", "acoustic_description", "affect_description", "emotions", "valence")


@dataclass(frozen=True, slots=True)
class Score:
    """How well one fault is found: captions with it, those of them with its reason, all with its reason, the right."""

    fault: str
    planted: int
    found: int
    given: int
    right: int

    @property
    def recall(self) -> float:
        """Share of the planted that were found; not a number where none was planted."""
        return self.found / self.planted if self.planted else float("nan")

    @property
    def precision(self) -> float:
        """Share of the given that are right; not a number where none was given."""
        return self.right / self.given if self.given else float("nan")


def main(
    name: Annotated[BankNameOrAlias, typer.Option("--bank", help="Whose phrases.")] = "final",
    captions: Annotated[int, typer.Option(help="How many.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the captions.")] = 1,
    misses: Annotated[Path | None, typer.Option(help="Write faults not found and reasons not right here.")] = None,
) -> None:
    """Plant, check, compare, print."""
    use_bank(name)
    datasets.disable_progress_bars()
    print(describe_machine("planted_captions", PACKAGES, seed))
    print(f"bank {bank_name(name)}, sha256 {sha256_of(bank_file())}")
    planted = list(planted_captions(captions, seed))
    with tempfile.TemporaryDirectory(prefix="vaemo-planted-") as folder:
        reasons = checked_reasons(planted, Path(folder) / "run")
    _print_scores(planted, reasons)
    if misses:
        misses.write_text("\n".join(told_misses(planted, reasons)), encoding="utf-8")
        print(f"misses: {misses}")


def checked_reasons(planted: Sequence[PlantedCaption], out: Path) -> dict[str, frozenset[str]]:
    """Write the captions as a run folder, check it, and return the reasons by clip."""
    from vaemo_annotate.quality.check import check

    out.mkdir()
    write_run_folder(out, accepted=[one.row for one in planted], extra_fields=EXTRA_FIELDS)
    check(out)
    verdicts = read_verdicts(out / VERDICTS_FILE)
    return {verdict.clip_id: frozenset(verdict.reasons) for verdict in verdicts if verdict.by == SOFTWARE}


def scores(planted: Sequence[PlantedCaption], reasons: dict[str, frozenset[str]]) -> list[Score]:
    """Return the score of each fault of the bank."""
    return [_score(fault, planted, reasons) for fault in bank()["counts"]]


def told_misses(planted: Iterable[PlantedCaption], reasons: dict[str, frozenset[str]]) -> Iterable[str]:
    """Yield faults not found and reasons not right, each with the caption's words."""
    for one in planted:
        given = reasons[one.row["clip_id"]] & {*bank()["counts"]}
        words = " | ".join(str(one.row[column]) for column in _TEXTS)
        if one.fault and one.fault not in given:
            yield f"MISSED {one.fault} {one.row['clip_id']}: {words}"
        for reason in sorted(given):
            if not _is_right(reason, one.fault):
                yield f"WRONG {reason} (planted: {one.fault}) {one.row['clip_id']}: {words}"


def _score(fault: str, planted: Sequence[PlantedCaption], reasons: dict[str, frozenset[str]]) -> Score:
    given = [one for one in planted if fault in reasons[one.row["clip_id"]]]
    return Score(
        fault=fault,
        planted=sum(one.fault == fault for one in planted),
        found=sum(one.fault == fault for one in given),
        given=len(given),
        right=sum(_is_right(fault, one.fault) for one in given),
    )


def _is_right(reason: str, fault: str | None) -> bool:
    return fault is not None and (reason == fault or reason in bank()["also"].get(fault, ()))


def _print_scores(planted: Sequence[PlantedCaption], reasons: dict[str, frozenset[str]]) -> None:
    clean = [one for one in planted if one.fault is None]
    untouched = sum(not reasons[one.row["clip_id"]] & {*bank()["counts"]} for one in clean)
    print(f"\n{len(planted)} captions, {len(clean)} of them clean; {untouched} of the clean without any reason below")
    print(f"{'fault':<26}{'planted':>8}{'found':>7}{'given':>7}{'recall':>9}{'precision':>11}")
    for one in scores(planted, reasons):
        print(f"{one.fault:<26}{one.planted:>8}{one.found:>7}{one.given:>7}{one.recall:>9.1%}{one.precision:>11.1%}")


if __name__ == "__main__":
    typer.run(main)
