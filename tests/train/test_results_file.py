"""results.json holds all that a cross-validation came to, the same every time, and is read back or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.synthetic_outcome import EMOTIONS, synthetic_outcome
from vaemo_clips.errors import RunFolderError
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.results_file import Results, read_results, write_results

SMALL: dict[str, Any] = {"num_speakers": 6, "clips_each": 20, "num_folds": 3}


def results(**settings: Any) -> Results:
    return results_of(
        synthetic_outcome(**{**SMALL, "num_seeds": 2, **settings}), folds="column fold", selection="last epoch",
        recipe={"optim": {"lr": 1e-3}}, data={"corpus": "speech", "odd": float("inf"), "path": Path("shards")},
        pretraining={"1": "no"}, versions={"torch": "2", "numpy": "1"}, machine={"cores": 2},
        command=["vaemo-train", "finetune"], seconds=12.5, speaker_disjoint=True,
    )  # fmt: skip


@pytest.mark.parametrize("settings", [{}, {"without_video": 0.3}, {"is_regression": True}, {"num_seeds": 1}])
def test_results_are_read_as_they_were_written(settings: dict[str, Any], tmp_path: Path) -> None:
    found, path = results(**settings), tmp_path / "results.json"
    write_results(path, found)
    assert read_results(path) == found
    first = path.read_bytes()
    write_results(path, results(**settings))
    assert path.read_bytes() == first, "the same outcome gives the same file"


def test_the_file_says_what_was_found_and_how(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, results())
    content = json.loads(path.read_text())
    assert content["format_version"] == 1
    assert content["task"] == "single_label_classification"
    assert content["classes"] == list(EMOTIONS)
    assert content["protocol"] == {
        "folds": "column fold", "num_folds": 3, "seeds": [0, 1], "selection": "last epoch", "num_windows": 2,
        "trained_on": "VA", "speaker_disjoint": True, "intervals": "6 speakers",
    }  # fmt: skip
    assert list(content["scores"]) == ["V", "A", "VA"]
    assert set(content["scores"]["VA"]) == {"num_clips", "war", "uar", "wf1", "num_runs", "resampled"}
    assert sum(map(sum, content["confusion"]["VA"])) == 2 * 120
    assert [fold["name"] for fold in content["folds"]] == ["1", "2", "3"]
    assert [fold["pretraining_saw_test_speakers"] for fold in content["folds"]] == ["no", "unknown", "unknown"]
    assert content["folds"][1]["speakers"] == ["03", "04"]
    assert content["data"]["clips_by_class"].keys() == set(EMOTIONS)
    assert (content["data"]["num_clips"], content["data"]["num_speakers"]) == (120, 6)
    assert list(content["versions"]) == ["numpy", "torch"]
    counts = content["data"]["clips_by_class"]
    commonest = max(sorted(counts), key=counts.get)
    assert content["chance"]["VA"]["named"] == commonest
    assert content["chance"]["VA"]["scores"]["war"] == pytest.approx(counts[commonest] / 120)


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, results(num_seeds=1))
    assert "NaN" not in path.read_text()
    content = json.loads(path.read_text())
    assert content["data"]["odd"] is None
    assert content["data"]["path"] == "shards"
    assert content["scores"]["VA"]["war"]["deviation"] is None, "one seed has no spread"
    assert read_results(path).recalls["VA"]["sad"].deviation is None


def test_spread_over_folds_is_that_of_their_means() -> None:
    found = results()
    means = [fold.scores["VA"]["war"] for fold in found.folds]
    assert found.over_folds["VA"]["war"].mean == pytest.approx(sum(one for one in means if one is not None) / 3)


def test_damaged_results_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(RunFolderError, match=r"there is no such file; finish the training first$"):
        read_results(path)
    path.write_text('{"format_version": 1')
    with pytest.raises(
        RunFolderError, match=r"^[^\n]*holds no results \([^\n]*\); take it away and gather them again$"
    ):
        read_results(path)
    path.write_text('{"format_version": 2}')
    with pytest.raises(RunFolderError, match=r"its format_version is 2, this vaemo reads up to 1; update vaemo$"):
        read_results(path)
    with pytest.raises(RunFolderError, match=r"results cannot be written"):
        write_results(tmp_path / "nowhere" / "results.json", results(num_seeds=1))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("confusion", {"VA": [[1, 2]]}, r"confusion of VA must be 8 by 8"),
        ("recalls", {"VA": {}}, r"recalls of VA must be those of the classes"),
        ("targets", ["valence"], r"a classification has classes, a regression targets"),
        ("main", "any", r"main is 'any', but there are scores of V, A, VA"),
        ("seconds", "long", r"seconds: Input should be a valid number"),
        ("noise", [], r"noise: Extra inputs are not permitted"),
        ("mood", 1, r"mood: Extra inputs are not permitted"),
    ],
)
def test_results_that_contradict_themselves_are_refused(key: str, value: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    content = results(num_seeds=1).model_dump(mode="json")
    path.write_text(json.dumps({**content, key: value}))
    with pytest.raises(RunFolderError, match=said):
        read_results(path)
