"""Published scores: what is recorded of whom, how it is marked, and our row among them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from vaemo_clips.corpora.names import CORPUS_NAMES
from vaemo_clips.errors import ManifestError
from vaemo_train.evaluate.scores import Estimate
from vaemo_train.outcome import published
from vaemo_train.outcome.published import (
    OurScores,
    PublishedScore,
    find_corpus,
    published_corpora,
    published_corpus,
    published_report,
    published_scores,
)


def our(uar: float, war: float, wf1: float = 0.5) -> OurScores:
    """Ours of two seeds."""
    return OurScores(Estimate(uar, 0.012), Estimate(war, 0.01), Estimate(wf1, 0.034), 1440)


def printed(corpus: str, ours: dict[str, OurScores] | None = None, unlike: Sequence[str] = ()) -> str:
    file = io.StringIO()
    Console(file=file, width=200).print(published_report(corpus, ours, unlike=unlike))
    return file.getvalue()


def score_of(corpus: str, model: str, modality: str = "VA") -> PublishedScore:
    return next(s for s in published_scores(corpus) if (s.model, s.modality) == (model, modality))


@pytest.mark.parametrize(
    ("corpus", "model", "modality", "uar", "war"),
    [
        ("mafw", "HiCMAE-B", "VA", 42.65, 56.17),
        ("mafw", "AVF-MAE++ H", "VA", 46.05, 60.24),
        ("dfew", "HiCMAE-B", "VA", 63.76, 75.01),
        ("dfew", "AVF-MAE++ H", "VA", 66.88, 77.45),
        ("crema-d", "HiCMAE-B", "VA", 84.91, 84.89),
        ("ravdess", "HiCMAE-B", "VA", 87.96, 87.99),
        ("ravdess", "HiCMAE-B", "A", None, 72.29),
        ("iemocap", "HiCMAE-B", "VA", 68.21, 68.36),
        ("msp-improv", "HiCMAE-B", "VA", 65.78, 74.95),
    ],
)
def test_scores_are_those_that_were_published(
    corpus: str, model: str, modality: str, uar: float | None, war: float
) -> None:
    score = score_of(corpus, model, modality)
    assert (score.uar, score.war) == (uar, war)


def test_who_chose_a_checkpoint_on_the_test_fold_is_marked_and_who_is_not_known_to_have_is_not() -> None:
    assert score_of("mafw", "AVF-MAE++ H").marks == "†"
    assert score_of("mafw", "MMA-DFER").marks == "†‡"
    assert score_of("mafw", "S4D", "V").selected_on_test is None
    assert score_of("ravdess", "WavLM-Base+", "A").marks == "‡"
    assert "59.32 at the best epoch on the test fold, 56.65 at the last" in " ".join(published_corpus("mafw").notes)


def test_scores_are_of_corpora_that_can_be_read_each_model_once_a_modality() -> None:
    assert set(published_corpora()) - {"crema-d-4"} <= set(CORPUS_NAMES)
    for corpus in published_corpora():
        keys = [(score.model, score.modality) for score in published_scores(corpus)]
        assert len(set(keys)) == len(keys)
        assert all(s.uar or s.war or s.wf1 for s in published_scores(corpus)), corpus


def test_our_row_stands_among_the_published_ones_by_war() -> None:
    lines = printed("mafw", {"VA": our(0.4311, 0.572), "V": our(0.4, float("nan"))}).splitlines()
    order = [line.split()[0] for line in lines if any(mark in line for mark in (" VA ", " V "))]
    assert order[:5] == ["CLAIP-Emo", "AVF-MAE++", "MMA-DFER", "S4D", "AVF-MAE++"]
    assert order[5] == "this"
    assert order[-1] == "this", "a score that is no number comes last"
    ours = next(line for line in lines if "this model" in line)
    assert "43.11" in ours
    assert "57.20" in ours


def test_our_row_has_its_spread_its_clips_and_says_that_folds_are_pooled() -> None:
    text = printed("mafw", {"VA": our(0.4311, 0.572)})
    for words in ("± 1.20", "± 1.00", "50.00", "± 3.40", "1,440 clips", "clips of all folds pooled"):
        assert words in text
    assert "this model *" not in text


def test_our_row_is_marked_where_it_is_not_to_be_compared() -> None:
    text = printed("mafw", {"VA": our(0.9, 0.9)}, ["trained on 12 of 24 clips", "2 folds, not 5"])
    assert "this model *" in text
    assert "* not to be compared: trained on 12 of 24 clips; 2 folds, not 5" in text


def test_ours_stand_alone_on_a_corpus_that_nobody_is_recorded_to_have_scored() -> None:
    text = printed("emodb", {"A": our(0.9, 0.9)})
    assert "emodb: no published score is recorded" in text
    assert "90.00" in text
    assert find_corpus("mer2024") is None
    with pytest.raises(ManifestError, match=r"corpus 'nobody' is not known; known are .*emodb.*mafw"):
        find_corpus("nobody")


def test_the_number_of_classes_and_folds_is_recorded_as_the_protocol_says() -> None:
    for corpus in published_corpora():
        found = published_corpus(corpus)
        assert found.num_classes is not None
        assert f"{found.num_classes} classes" in found.protocol
    assert [published_corpus(name).num_folds for name in ("mafw", "ravdess", "meld", "crema-d-4")] == [5, 6, 1, None]


def test_the_table_says_what_its_marks_mean() -> None:
    text = printed("mafw")
    assert "AVF-MAE++ H †" in text
    assert "† its checkpoint was chosen by its score on the test fold" in text
    assert "‡ as another paper reports it" in text
    assert "without †: how the checkpoint was chosen is not recorded" in text
    assert "56.65 at the last" in text
    assert "‡" not in printed("msp-improv")


def test_a_corpus_scored_by_weighted_f1_alone_shows_it() -> None:
    text = printed("mer2023", {"VA": our(0.5, 0.6)})
    assert "71.33" in text
    assert text.index("60.00") < text.index("71.33")


def test_a_corpus_without_published_scores_is_told_with_those_that_have_some() -> None:
    with pytest.raises(
        ManifestError, match=r"no published score of corpus 'emodb' is recorded; there are those of mafw"
    ):
        published_scores("emodb")
    assert published_scores(" MAFW ") == published_scores("mafw")


def test_faults_of_the_file_are_told_with_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "published.yaml"
    file.write_text("mafw: {protocol: x, scores: [{model: A, modality: T, war: 101, best: 1}]}\n")
    monkeypatch.setattr(published, "_FILE", file)
    published._published.cache_clear()
    try:
        with pytest.raises(
            ManifestError, match=r"(?s)mafw\.scores\[0\]\.modality.*mafw\.scores\[0\]\.war.*best: unknown"
        ):
            published_corpora()
    finally:
        published._published.cache_clear()
