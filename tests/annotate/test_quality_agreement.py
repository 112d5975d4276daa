"""Agreement over the samples of one clip."""

from __future__ import annotations

from typing import Any

import pytest

from vaemo_annotate.quality.agreement import AgreementSettings, agree
from vaemo_annotate.quality.finding import Findings

SETTINGS = AgreementSettings(max_entropy_bits=1.0)


def sample(*emotions: str, valence: float | None = None, arousal: float | None = None) -> dict[str, Any]:
    return {"emotions": list(emotions), "valence": valence, "arousal": arousal}


def reasons(findings: list[Findings]) -> list[list[str]]:
    return [[finding.reason for finding in one.findings] for one in findings]


def test_one_sample_has_nothing_to_agree_with() -> None:
    (only,) = agree([sample("happy", valence=0.5)], SETTINGS)
    assert not only.findings
    assert not only.scores


def test_words_of_one_family_agree() -> None:
    found = agree([sample("happy"), sample("slightly amused"), sample("joy mixed with relief")], SETTINGS)
    assert reasons(found) == [[], [], []]
    assert found[0].scores == {
        "agreement.samples": 3,
        "agreement.votes": 3,
        "agreement.share": 1.0,
        "agreement.entropy_bits": 0.0,
    }


def test_sample_outside_a_strict_majority_is_a_minority() -> None:
    found = agree([sample("angry"), sample("calm"), sample("furious")], SETTINGS)
    assert reasons(found) == [[], ["agreement.minority"], []]
    assert found[1].findings[0].detail == "calm, where 2 of 3 samples say anger"
    assert found[1].scores["agreement.share"] == pytest.approx(2 / 3)
    assert found[1].scores["agreement.entropy_bits"] == pytest.approx(0.9183, abs=1e-4)


def test_a_tie_has_no_majority() -> None:
    found = agree([sample("angry"), sample("calm"), sample("mad"), sample("serene")], SETTINGS)
    assert reasons(found) == [[], [], [], []]
    assert found[0].scores["agreement.entropy_bits"] == pytest.approx(1.0)


def test_entropy_above_the_threshold_is_low_agreement_of_all_samples() -> None:
    found = agree([sample("angry"), sample("calm"), sample("afraid")], SETTINGS)
    assert reasons(found) == [["agreement.low"]] * 3
    assert "1.58 bits over the samples (anger 1, calm 1, fear 1), more than 1" in found[0].findings[0].detail


def test_disgust_and_contempt_are_not_anger() -> None:
    found = agree([sample("angry"), sample("irritated"), sample("disgusted"), sample("annoyed")], SETTINGS)
    assert reasons(found)[2] == ["agreement.minority"]


def test_first_word_that_maps_votes_and_a_sample_without_one_does_not() -> None:
    found = agree([sample("glorptic", "sad"), sample("grief"), sample("glorptic"), sample()], SETTINGS)
    assert reasons(found) == [[], [], [], []]
    assert found[0].scores["agreement.votes"] == 2
    assert found[0].scores["agreement.samples"] == 4


def test_samples_without_votes_have_no_entropy() -> None:
    found = agree([sample("glorptic"), sample("happy")], SETTINGS)
    assert found[0].scores == {"agreement.samples": 2, "agreement.votes": 1}


def test_spread_of_valence_and_arousal_leaves_out_what_is_not_stated() -> None:
    rows = [sample("happy", valence=0.2, arousal=0.1), sample("happy", valence=0.6), sample("happy")]
    scores = agree(rows, SETTINGS)[2].scores
    assert scores["agreement.valence_sd"] == pytest.approx(0.2)
    assert "agreement.arousal_sd" not in scores


def test_numbers_that_are_none_are_not_stated() -> None:
    nan = float("nan")
    samples = [sample("joy", valence=nan), sample("joy", valence=nan), sample("joy", valence=0.5, arousal=0.25)]
    scores = agree([*samples, sample("joy", valence=0.25, arousal=float("inf"))], SETTINGS)[0].scores
    assert scores["agreement.valence_sd"] == 0.125
    assert "agreement.arousal_sd" not in scores
