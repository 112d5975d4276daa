"""The planted captions of the benchmark are what they say they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import get_args

import pytest
from benchmarks.planted_captions import Score, scores
from benchmarks.planted_faults import FAULTS
from benchmarks.planted_rows import PlantedCaption, planted_captions
from benchmarks.planted_scene import BankName, BankNameOrAlias, bank, bank_file, use_bank

from vaemo_annotate.wording.deviation import deviation
from vaemo_clips.cues.cue import Cue, by_name

CAPTIONS = 240


@pytest.fixture(scope="module", params=get_args(BankName))
def planted(request: pytest.FixtureRequest) -> Iterator[list[PlantedCaption]]:
    use_bank(request.param)
    yield list(planted_captions(CAPTIONS, seed=3))
    use_bank("final")


def test_same_seed_gives_the_same_captions(planted: list[PlantedCaption]) -> None:
    assert planted == list(planted_captions(CAPTIONS, seed=3))


def test_shares_of_faults_are_those_of_the_bank(planted: list[PlantedCaption]) -> None:
    counted = Counter(one.fault for one in planted)
    counts = {fault: round(count * CAPTIONS / 2000) for fault, count in bank()["counts"].items()}
    assert {fault: counted[fault] for fault in counts} == counts
    assert counted[None] == CAPTIONS - sum(counts.values())


def test_true_claims_lie_clearly_off_the_usual(planted: list[PlantedCaption]) -> None:
    claims = bank()["claims"]
    phrases = {
        phrase: (side, next(iter(claim["cues"])))
        for claim in claims.values()
        for side in ("up", "down")
        for phrase in claim.get(side, ())
        if "{" not in phrase and phrase not in _loudness_and_rate()
    }
    seen = 0
    for one in planted:
        if one.fault is None:
            cues = by_name(Cue(**cue) for cue in one.row["cues"])
            told = " ".join(str(one.row[f"{name}_description"]) for name in ("visual", "acoustic", "affect"))
            for phrase, (side, cue) in phrases.items():
                if phrase in told:
                    distance = deviation(cues[cue])
                    assert distance is not None, phrase
                    assert (distance.sd if side == "up" else -distance.sd) > 1.5, phrase
                    seen += 1
    assert seen > 100


def test_near_duplicates_come_after_what_they_copy(planted: list[PlantedCaption]) -> None:
    clean: list[list[object]] = []
    copies = 0
    for one in planted:
        values = [cue["value"] for cue in one.row["cues"]]
        if one.fault is None:
            clean.append(values)
        elif one.fault == "form.near_duplicate":
            assert values in clean
            copies += 1
    assert copies > 0


def test_precision_and_recall_count_what_rightly_goes_together() -> None:
    planted = [
        PlantedCaption({"clip_id": "a"}, "form.gibberish"),
        PlantedCaption({"clip_id": "b"}, "form.wrong_language"),
        PlantedCaption({"clip_id": "c"}, None),
    ]
    reasons = {
        "a": frozenset({"form.wrong_language"}),
        "b": frozenset({"form.wrong_language"}),
        "c": frozenset({"form.wrong_language"}),
    }
    by_fault = {score.fault: score for score in scores(planted, reasons)}
    assert by_fault["form.wrong_language"] == Score("form.wrong_language", planted=1, found=1, given=3, right=2)
    assert by_fault["form.gibberish"].recall == 0


def _loudness_and_rate() -> set[str]:
    """Claims that are also made where no reference for them is known."""
    claims = bank()["claims"]
    return {phrase for name in ("loudness", "rate") for side in ("up", "down") for phrase in claims[name][side]}


def test_banks_differ_in_every_claim_and_have_the_same_slots() -> None:
    slots = {}
    for name in get_args(BankName):
        use_bank(name)
        slots[name] = {(aspect, side): claim[side] for aspect, claim in bank()["claims"].items() for side in claim}
        assert set(bank()["counts"]) >= {*FAULTS}
    use_bank("final")
    phrases = {
        name: {phrase for (_, side), told in of_bank.items() if side in ("up", "down") for phrase in told}
        for name, of_bank in slots.items()
    }
    for one, other in combinations(get_args(BankName), 2):
        assert slots[one].keys() == slots[other].keys()
        assert not phrases[one] & phrases[other]


def test_former_names_of_banks_are_those_of_the_same_files() -> None:
    files = []
    names: tuple[BankNameOrAlias, ...] = ("heldout", "development2", "test", "development3")
    for name in names:
        use_bank(name)
        files.append(bank_file())
    use_bank("final")
    assert files[0] == files[1] != files[2] == files[3]
