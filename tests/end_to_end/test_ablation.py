"""Ablation of real clips against servers that hear and see, or do not."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.support.servers import fake_server
from tests.support.workspace import Workspace
from vaemo_annotate.probes.ablation import AblationSummary, ablate, read_flags
from vaemo_annotate.probes.ablation_command import ablation_lines
from vaemo_annotate.progress import Display
from vaemo_clips.errors import UserError

CLIPS = 5
KINDS = ("muted", "blank", "swapped")


def quiet() -> Display:
    """Return a display that nobody reads."""
    return Display(console=Console(file=io.StringIO()))


def shares(summary: AblationSummary) -> dict[str, float]:
    """Return the share of flagged clips by reason."""
    return {rate.reason.removeprefix("ablation."): rate.share for rate in summary.rates}


def captioned(workspace: Workspace, url: str) -> Path:
    """Caption a few clips, whatever the canaries say."""
    done = workspace.run(url, canaries="warn")
    assert done.returncode == 0, done.stderr
    return workspace.folder / "out"


def test_a_truthful_server_has_nothing_to_survive_and_is_asked_once(workspace: Workspace, tmp_path: Path) -> None:
    with fake_server(tmp_path, "--words") as server:
        out = captioned(workspace, server.url)
        before = server.log()["requests"]
        first = ablate(out, CLIPS, workers=2, display=quiet())
        assert server.log()["requests"] - before == CLIPS * len(KINDS) * 3 == first.replies
        again = ablate(out, CLIPS, workers=2, display=quiet())
        assert again.replies == 0
        more = ablate(out, CLIPS + 1, workers=2, display=quiet())
        assert more.replies < 2 * len(KINDS) * 3 + CLIPS * 3, "a larger draw holds the smaller one; donors may change"
    assert again.rows == first.rows
    assert shares(first) == dict.fromkeys(
        ["sound_invented", "picture_invented", "picture_ignored", "sound_ignored"], 0.0
    )
    assert [survival.share for survival in first.survivals] == [0.0, 0.0]
    assert read_flags(out) == {}
    rows = pq.read_table(out / "ablation.parquet").to_pylist()
    muted = [row for row in rows if row["kind"] == "muted"]
    assert len(muted) == CLIPS + 1
    assert all("pitch_level:" in " ".join(row["claims_before"]) for row in muted)
    assert all(row["texts"]["after"].startswith("There is no sound") for row in muted)
    lines = list(ablation_lines(first))
    assert "0% of the statements about sound survive when the sound is taken away (0 of " in "\n".join(lines)
    assert lines[-1] == f"next: vaemo-annotate check {out}"


@pytest.mark.parametrize(
    ("senses", "expected"),
    [
        (("--ears", "deaf", "--eyes", "invents"), {"sound_ignored": 1.0, "picture_invented": 1.0, "sound_invented": 0}),
        (
            ("--ears", "invents", "--eyes", "blind"),
            {"sound_invented": 1.0, "picture_ignored": 1.0, "picture_invented": 0},
        ),
    ],
    ids=["deaf and inventing pictures", "blind and inventing sound"],
)
def test_what_canaries_warn_of_is_caught_by_ablation(
    workspace: Workspace, tmp_path: Path, senses: tuple[str, ...], expected: dict[str, float]
) -> None:
    with fake_server(tmp_path, "--words", *senses) as server:
        out = captioned(workspace, server.url)
        summary = ablate(out, CLIPS, workers=2, display=quiet())
    assert expected.items() <= shares(summary).items()
    wanted = {f"ablation.{reason}" for reason, share in expected.items() if share}
    flags = read_flags(out)
    assert len(flags) == CLIPS
    assert all(wanted <= set(reasons) for reasons in flags.values())
    record = json.loads((out / "ablation.json").read_text())
    rate = next(rate for rate in record["rates"] if rate["reason"] in wanted)
    assert (rate["flagged"], rate["clips"], rate["share"], rate["high"]) == (CLIPS, CLIPS, 1.0, 1.0)
    assert rate["low"] == pytest.approx(0.566, abs=0.001)


def test_a_run_of_the_cues_engine_asks_no_model(workspace: Workspace) -> None:
    done = workspace.run("http://unused/v1", engine="cues", limit=1, max_reject_rate=1)
    assert done.returncode == 0, done.stderr
    with pytest.raises(UserError, match="made by the engine cues, which measures and asks no model"):
        ablate(workspace.folder / "out", 3)
