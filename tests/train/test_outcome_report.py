"""Tables of a cross-validation say what was found, how sure it is, and what guessing would score."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from tests.support.synthetic_outcome import EMOTIONS, synthetic_outcome
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.report import outcome_report, recall_report
from vaemo_train.outcome.results_file import Results

SMALL: dict[str, Any] = {"num_speakers": 6, "clips_each": 20, "num_folds": 3, "num_seeds": 2}


def results(speaker_disjoint: bool | None = True, **settings: Any) -> Results:
    return results_of(
        synthetic_outcome(**{**SMALL, **settings}), folds="column fold", selection="last epoch", recipe={"lr": 1e-3},
        pretraining={"2": "yes"}, speaker_disjoint=speaker_disjoint,
    )  # fmt: skip


def printed(*tables: object) -> str:
    console = Console(width=120, record=True, file=StringIO())
    console.print(*tables)
    return console.export_text()


def test_the_table_shows_every_modality_with_its_spread_and_what_guessing_scores() -> None:
    found = results(without_video=0.3)
    text = printed(outcome_report(found, "speech"))
    for words in ("V (video alone)", "A (sound alone)", "VA (both)", "any (what there is)", "always "):
        assert words in text
    war = found.scores["A"].war.estimate  # type: ignore[union-attr]
    assert f"{100 * war.mean:.1f} ± {100 * war.deviation:.1f}" in text
    assert str(war.interval) in text
    assert "over 2 seeds; 95 % intervals over 6 speakers; 3 folds (column fold)" in text
    assert "pre-training saw speakers who are tested in 1 fold (2)" in text
    assert "nobody knows whether pre-training saw the speakers who are tested in 2 folds (1, 3)" in text


def test_the_caption_says_what_is_known_of_shared_speakers() -> None:
    told = {None: "nobody knows whether speakers are in training and test", False: "who are tested were trained on"}
    for known, words in told.items():
        assert words in printed(outcome_report(results(speaker_disjoint=known)))
    text = printed(outcome_report(results(speaker_disjoint=True)))
    assert not any(words in text for words in told.values())


def test_the_table_of_recalls_has_a_row_a_class() -> None:
    text = printed(recall_report(results()))
    for name in EMOTIONS:
        assert f" {name} " in text
    assert "12.5" in text


def test_the_table_of_a_regression_has_a_row_a_target_and_their_mean() -> None:
    text = printed(outcome_report(results(is_regression=True)))
    assert "CCC" in text
    assert text.count("valence") == text.count("arousal") == text.count("mean   ") - 1 == 3
    assert "always the mean" in text
