"""`vaemo-train retrieve` as a user sees it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support.caption_folders import write_captions, write_rejects
from tests.support.shard_folders import Called, vaemo_train_here
from tests.support.tiny_text_space import TinySpace, write_space
from vaemo_train.evaluate.clip_vectors import embed_clips
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.text_space.cached_clips import FOLDER
from vaemo_train.text_space.space import TextSpace

SMILE = "The corners of the mouth are raised."


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> TinySpace:
    return write_space(tmp_path_factory.mktemp("space"))


def retrieve(space: TinySpace, *arguments: str | Path) -> Called:
    done = vaemo_train_here("retrieve", *space.options, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.splitlines()[-1].startswith("next: vaemo-train zero-shot --model ")
    return done


def found(done: Called) -> list[list[str]]:
    """The rows of the table of what was found, by words."""
    return [line.split() for line in done.stdout.splitlines() if line.strip()[:1].isdigit()]


def cosines(space: TinySpace, text: str, clip: int, paths: Sequence[str], modality: str) -> float:
    """By hand: the mean cosine of a text and a clip."""
    opened = TextSpace.open(space.run)
    own = embed_clips(opened.model, ShardFolder.open(space.shards)).vectors[modality]  # type: ignore[index]
    texts = opened.text_vectors([text])
    return float(np.mean([own[path][clip] @ texts[path][0] for path in paths]))


def test_a_text_finds_clips_best_first_with_label_and_speaker(space: TinySpace) -> None:
    rows = found(retrieve(space, SMILE))
    assert [row[0] for row in rows] == [str(number) for number in range(1, 10)]
    assert sorted(row[2] for row in rows) == [f"clip_{number:04d}" for number in range(9)]
    scores = [float(row[1]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    by_clip = {row[2]: row for row in rows}
    assert by_clip["clip_0004"][3:] == ["sadness,", "speaker_00"]
    for clip, paths, modality in (
        (0, ("visual", "acoustic", "affect"), "both"),
        (1, ("acoustic", "affect"), "audio"),
        (2, ("visual", "affect"), "video"),
    ):
        by_hand = cosines(space, SMILE, clip, paths, modality)
        assert float(by_clip[f"clip_{clip:04d}"][1]) == pytest.approx(by_hand, abs=6e-4)


def test_top_shows_so_many_and_a_path_only_clips_that_have_it(space: TinySpace) -> None:
    assert len(found(retrieve(space, SMILE, "--top", "2"))) == 2
    rows = found(retrieve(space, SMILE, "--path", "visual"))
    assert sorted(row[2] for row in rows) == [f"clip_{number:04d}" for number in (0, 2, 3, 5, 6, 8)]
    best = rows[0]
    modality = "both" if int(best[2][-1]) % 3 == 0 else "video"
    assert float(best[1]) == pytest.approx(cosines(space, SMILE, int(best[2][-4:]), ["visual"], modality), abs=6e-4)


def test_the_second_time_nothing_is_computed(space: TinySpace) -> None:
    first = retrieve(space, SMILE).stdout
    kept = {path: path.stat().st_mtime_ns for path in (space.run / FOLDER).iterdir()}
    assert retrieve(space, SMILE).stdout == first
    assert {path: path.stat().st_mtime_ns for path in (space.run / FOLDER).iterdir()} == kept


def test_holdout_searches_only_these_clips_and_goes_on_to_the_next_command(space: TinySpace, tmp_path: Path) -> None:
    done = retrieve(space, SMILE, "--holdout", "speaker=speaker_00,speaker_01")
    assert sorted(row[2] for row in found(done)) == [f"clip_{number:04d}" for number in (0, 1, 4, 5, 8)]
    assert done.stdout.endswith(" --holdout speaker=speaker_00,speaker_01\n")
    everyone = ",".join(f"speaker_{number:02d}" for number in range(4))
    assert len(found(retrieve(space, SMILE, "--holdout", f"speaker={everyone}"))) == 9, "all of them is no mistake here"
    assert len(found(retrieve(space, SMILE, "--holdout", "label=sadness"))) == 4, "speakers may be on both sides"


def test_a_clip_finds_captions_of_the_affect_path_unless_told_otherwise(space: TinySpace) -> None:
    done = retrieve(space, "--clip", "clip_0000", "--captions", space.captions)
    assert "affect description" in done.stdout
    rows = found(done)
    assert sorted(row[2] for row in rows) == [f"clip_{number:04d}" for number in range(6)]
    assert all(row[3:] == [f"{row[2]},", "sample", "0:", "affect"] for row in rows)
    by_hand = cosines(space, f"{rows[0][2]}, sample 0: affect", 0, ["affect"], "both")
    assert float(rows[0][1]) == pytest.approx(by_hand, abs=6e-4)
    sound = retrieve(space, "--clip", "clip_0001", "--captions", space.captions, "--path", "acoustic", "--top", "1")
    assert "acoustic description" in sound.stdout
    assert len(found(sound)) == 1


def test_a_description_of_several_clips_names_the_one_that_is_asked_about(space: TinySpace, tmp_path: Path) -> None:
    write_captions(tmp_path / "run", [{"clip_id": f"clip_000{n}", "affect_description": "Glad."} for n in (1, 4, 5)])
    named = {clip: found(retrieve(space, "--clip", clip, "--captions", tmp_path))[0][2:] for clip in ("clip_0004",)}
    assert named == {"clip_0004": ["clip_0004", "Glad."]}
    assert found(retrieve(space, "--clip", "clip_0003", "--captions", tmp_path))[0][2] == "clip_0001"


def test_with_a_holdout_captions_of_other_clips_are_not_shown(space: TinySpace) -> None:
    done = retrieve(space, "--clip", "clip_0000", "--captions", space.captions, "--holdout", "speaker=speaker_00")
    assert sorted(row[2] for row in found(done)) == ["clip_0000", "clip_0004"]


def test_brackets_and_colons_in_a_caption_are_shown_as_they_are(space: TinySpace, tmp_path: Path) -> None:
    odd = "A [b]loud[/b] laugh [laughs] :smile: [/]."
    write_captions(tmp_path / "run", [{"clip_id": "clip_0000", "affect_description": odd}])
    assert odd in retrieve(space, "--clip", "clip_0000", "--captions", tmp_path).stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_long_captions_wrap_and_nothing_is_cut(
    space: TinySpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    words = [f"word{number:03d}" for number in range(80)]
    write_captions(tmp_path / "run", [{"clip_id": "clip_0000", "affect_description": " ".join(words)}])
    table, _, _ = retrieve(space, "--clip", "clip_0000", "--captions", tmp_path).stdout.partition("next:")
    assert max(map(len, table.splitlines())) <= columns
    assert [word for word in table.split() if word.startswith("word")] == words
    measured, _, _ = retrieve(space, "--captions", space.captions).stdout.partition("note:")
    assert max(map(len, measured.splitlines())) <= columns
    assert "…" not in table + measured


def test_with_neither_both_ways_are_measured(space: TinySpace, tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    done = retrieve(space, "--captions", space.captions, "--out", out)
    for part in (
        "9 clips, 6 of them with captions",
        "all paths together",
        "R@10",
        "4 among 6",
        "chance 16.7",
        str(out),
    ):
        assert part in done.stdout
    numbers = json.loads(out.read_text())
    assert (numbers["num_clips"], numbers["affect_text_to_clip_num_candidates"]) == (9, 9)
    assert numbers["visual_text_to_clip_recall1_chance"] == pytest.approx(1 / 6)
    assert set(numbers) >= {"all_paths_clip_to_text_median_rank", "acoustic_clip_to_text_recall10_high"}
    retrieve(space, "--captions", space.captions, "--out", out, "--path", "acoustic")
    assert {name.split("_")[0] for name in json.loads(out.read_text())} == {"num", "acoustic", "of"}


def test_numbers_say_what_they_are_of(space: TinySpace, tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    retrieve(space, "--captions", space.captions, "--out", out, "--holdout", "speaker=speaker_00,speaker_01")
    of = json.loads(out.read_text())["of"]
    weights = hashlib.sha256((space.run / "model" / "model.safetensors").read_bytes()).hexdigest()
    assert (of["model"], of["model_sha256"]) == (str(space.run / "model"), weights)
    assert (of["shards"], of["shards_digest"]) == (str(space.shards), ShardFolder.open(space.shards).digest)
    assert (of["holdout"], of["num_clips"], of["windows"]) == ("speaker=speaker_00,speaker_01", 5, 2)
    assert (of["captions"], len(of["captions_digest"])) == (str(space.captions), 64)
    retrieve(space, SMILE, "--out", out)
    assert json.loads(out.read_text())["of"].keys() == of.keys() - {"captions", "captions_digest"}


def test_scores_on_clips_of_the_training_are_told(space: TinySpace, tmp_path: Path) -> None:
    run = shutil.copytree(space.run, tmp_path / "run")
    out = tmp_path / "numbers.json"

    def noted(holdout: str | None, *given: str, **identity: str | None) -> str:
        facts = {"data": ShardFolder.open(space.shards).digest, "holdout": holdout} | identity
        (run / "run.json").write_text(json.dumps({"identity": facts}))
        done = retrieve(space, "--captions", space.captions, "--out", out, "--model", run, *given)
        notes = [line for line in done.stdout.splitlines() if line.startswith("note: ")]
        assert notes == [note for note in [json.loads(out.read_text())["of"]["note"]] if note]
        return "".join(notes)

    kept_out = "speaker=speaker_00,speaker_01"
    all_of_them = "note: all 9 clips are searched, also those that the model was trained on"
    assert noted(kept_out) == f"{all_of_them}; --holdout {kept_out} takes those it was not"
    assert noted(kept_out, "--holdout", kept_out) == noted(kept_out, "--holdout", "speaker=speaker_00") == ""
    assert noted(kept_out, "--holdout", "label=happiness").startswith("note: 4 clips are searched, also those that")
    assert noted(None) == f"{all_of_them}; train with --holdout to measure with others"
    assert noted(None, data="x").endswith("perhaps also such that the model was trained on (from other shards)")
    assert noted("fold=1", data="x") == noted(None, data="x"), "a column that these shards do not have is no advice"
    (run / "run.json").write_text("{")
    done = retrieve(space, "--captions", space.captions, "--model", run)
    assert "note: all 9 clips are searched, and nobody knows which of them the model was trained on: no" in done.stdout
    assert "note: " not in retrieve(space, SMILE, "--model", run).stdout, "what is found is no score"


def test_a_path_with_too_few_texts_is_told(space: TinySpace, tmp_path: Path) -> None:
    same = {"visual_description": "A face."}
    write_captions(tmp_path / "run", [{"clip_id": f"clip_000{number}", **same} for number in range(6)])
    done = retrieve(space, "--captions", tmp_path)
    assert "\nvisual: not measured, fewer than two of these clips have such descriptions that differ\n" in done.stdout
    assert "not measured" not in retrieve(space, "--captions", space.captions).stdout


def test_what_was_found_is_written_too(space: TinySpace, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    rows = found(retrieve(space, "Ein Lächeln", "--out", out, "--top", "3"))
    written = json.loads(out.read_text())
    assert (written["text"], written["path"]) == ("Ein Lächeln", "all")
    assert [one["clip_id"] for one in written["found"]] == [row[2] for row in rows]
    assert [f"{one['score']:.3f}" for one in written["found"]] == [row[1] for row in rows]
    retrieve(space, "--clip", "clip_0000", "--captions", space.captions, "--out", out)
    assert json.loads(out.read_text())["clip"] == "clip_0000"


def test_captions_of_clips_that_prepare_rejected_or_that_are_elsewhere_do_no_harm(
    space: TinySpace, tmp_path: Path
) -> None:
    write_captions(tmp_path / "run", [{"clip_id": clip} for clip in ("clip_0000", "clip_0003", "elsewhere")])
    write_rejects(tmp_path / "run", ["clip_0006"])
    done = retrieve(space, "--captions", tmp_path)
    assert "9 clips, 2 of them with captions" in done.stdout
    write_captions(tmp_path / "run" / "pilot", [{"clip_id": "clip_0000"}], pilot=True)
    for asked in ([], ["--clip", "clip_0000"]):
        done = retrieve(space, "--captions", tmp_path, *asked)
        assert "1 of clips that the shards do not have" in done.stdout
        assert f"{tmp_path / 'run' / 'pilot'} is a pilot" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "measuring retrieval without a text needs captions; give --captions FOLDER, below which `vaemo-annotate "),
        (["--clip", "clip_0000"], "--clip needs captions; give --captions FOLDER, below which `vaemo-annotate run` wr"),
        (["--clip", "no", "--captions", "C"], "--clip no: is none of the 9 clips that are searched; their clip_ids ar"),
        (["--clip", "clip_0001", "--captions", "C", "--path", "visual"], "--clip clip_0001: has no picture; give anot"),
        (["--clip", "clip_0008", "--captions", "C", "--path", "acoustic"], "--clip clip_0008: has no sound; give anot"),
        ([" \n"], "the text is blank; describe a face, a voice or a feeling"),
        ([SMILE, "--clip", "clip_0000"], "a text and --clip are two questions; ask one of them"),
        ([SMILE, "--captions", "C"], "a text is compared with clips, not with captions; leave out --captions, or the "),
        ([SMILE, "--path", "face"], "--path face: must be all, visual, acoustic, affect"),
        ([SMILE, "--holdout", "fold=1"], "holdout fold=1: there is no column fold; there are "),
        (
            [SMILE, "--holdout", "label=x"],
            "holdout label=x: no row has label x; its values are happiness, joy of life, ",
        ),
        ([SMILE, "--out", "nowhere/x.json"], "--out nowhere/x.json cannot be written (there is no folder nowhere); gi"),
        ([SMILE, "--model", "nowhere"], "--model nowhere: no model in it; give a finished run of `vaemo-train stage2`"),
        (["--captions", "nowhere"], "nowhere"),
        (
            ["--captions", "C", "--holdout", "speaker=speaker_03"],
            "fewer than two of these 2 clips have descriptions th",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(space: TinySpace, arguments: list[str], message: str) -> None:
    given = [str(space.captions) if one == "C" else one for one in arguments]
    done = vaemo_train_here("retrieve", *space.options, *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
