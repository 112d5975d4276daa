"""`vaemo-train stage2` as a user meets it: whatever is wrong is one line that says what, where and what to do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.caption_folders import NOTHING_SAID, write_captions
from tests.support.text_models import write_tiny_text_model
from tests.support.tiny_alignment import QUIET, Site, clip_ids, speaker_of, tiny_alignment_recipe, vaemo_train
from tests.support.tiny_run import tiny_shards
from tests.support.tiny_vaemo import tiny_model
from vaemo_train.texts.cache import CACHE_FOLDER
from vaemo_train.texts.model import TextModel

SHORT = ("length.max_steps=2", "optim.warmup_share=0", *QUIET)
Arrange = Callable[[Site, Path], list[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site.make(tmp_path_factory.mktemp("site"), 8)


@pytest.fixture(scope="module")
def begun(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed after its last step."""
    out = tmp_path_factory.mktemp("begun") / "run"
    site.train(out, *SHORT, "save_steps=1")
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**record, "state": "running"}))
    return out


def sets(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The error of a command that must end with exit code 2, without a traceback or anything after it."""
    capsys.readouterr()
    assert vaemo_train("stage2", *arguments) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    _, _, error = told.rpartition("error: ")
    assert error.endswith("\n")
    return error.strip()


def _captions(folder: Path, *rows: str, **descriptions: str | None) -> list[str]:
    write_captions(folder / "captions", [{"clip_id": name, **descriptions} for name in rows])
    return ["--captions", str(folder / "captions")]


def _empty(site: Site, folder: Path) -> list[str]:
    (folder / "captions" / "deep" / "er").mkdir(parents=True)
    return ["--captions", str(folder / "captions")]


def _held_out_alone(site: Site, folder: Path) -> list[str]:
    clips = [name for name, speaker in speaker_of(site.shards).items() if speaker == "speaker_02"]
    return [*_captions(folder, *clips), "--holdout", "speaker=speaker_02"]


def _of_another_model(site: Site, folder: Path) -> list[str]:
    captions = _captions(folder, *clip_ids(site.shards))
    digest = TextModel.open(str(site.text_model)).digest
    place = folder / "captions" / CACHE_FOLDER / digest[:16]
    place.mkdir(parents=True)
    (place / "model.json").write_text(json.dumps({"format_version": 1, "digest": digest[:16] + 48 * "0"}))
    return captions


def _of_the_future(site: Site, folder: Path) -> list[str]:
    write_captions(folder / "captions", [{"clip_id": "clip_0000"}], caption_schema_version=99)
    return ["--captions", str(folder / "captions")]


def _init(name: str, *, truncated: str = "", text: str | None = None) -> Arrange:
    def arrange(site: Site, folder: Path) -> list[str]:
        if truncated:
            shutil.copytree(site.init, folder / name)
            path = folder / name / truncated
            path.write_bytes(path.read_bytes()[:200] if text is None else text.encode())
        return ["--init", str(folder / name)]

    return arrange


def _smaller_pictures(site: Site, folder: Path) -> list[str]:
    tiny_model(image_size=80).save_pretrained(folder / "larger")
    return ["--init", str(folder / "larger")]


CASES: dict[str, tuple[Arrange, str]] = {
    "no folder": (lambda site, folder: ["--captions", str(folder / "none")], r"none: there is no such folder; give"),
    "no captions": (_empty, r"captions: no captions in it or in the 2 folders below it; looked for datasets with"),
    "an unknown clip": (
        lambda site, folder: _captions(folder, "clip_0000", "clip_0001", "a", "b", "c", "d"),
        r"captions of 4 clips that the shards do not have \(a, b, c and 1 more\);.* --allow-unknown-clips",
    ),
    "unknown clips alone": (
        lambda site, folder: [*_captions(folder, "a", "b"), "--allow-unknown-clips"],
        r"none of its captions is of a clip in the shards \(captions of a, b; shards of clip_0000, .*same manifest",
    ),
    "nothing said": (
        lambda site, folder: _captions(folder, *clip_ids(site.shards), **NOTHING_SAID),
        r"none of its 8 captions can be used \(8 without any description\); look at them with `vaemo-annotate show`",
    ),
    "held-out clips alone": (_held_out_alone, r"no clip that is trained on has a description that the loss weighs"),
    "embeddings of another model": (_of_another_model, r"model.json.* of another model"),
    "captions of the future": (_of_the_future, r"run.json: captions of schema 99, this vaemo reads up to 1; upgrade"),
    "no init": (_init("none"), r"--init .*none: no model in it; give a run of an earlier stage or its model folder"),
    "a damaged configuration": (_init("torn", truncated="config.json"), r"torn.*cannot be read as a model"),
    "no configuration": (_init("odd", truncated="config.json", text="[]"), r"odd.*cannot be read as a model"),
    "damaged weights": (_init("torn", truncated="model.safetensors"), r"torn cannot be read as a model \(.*\); give"),
    "another kind of model": (
        lambda site, folder: ["--init", str(site.text_model)], r"text_model cannot be .* of model_type bert, not vaemo"
    ),
    "pictures that are too small": (
        _smaller_pictures, r"--init .*larger: pictures of 80 pixels cannot be cut from .* 64 wide; give at most that"
    ),
    "no text model": (
        lambda site, folder: sets("text.model=no-such/text-model-at-all"), r"no-such/text-model-at-all",
    ),
    "another holdout": (lambda site, folder: ["--holdout", "speaker=nobody"], r"no row has speaker nobody"),
    "a contradiction": (lambda site, folder: sets("mask.audio=0", "loss.stage1.audio=1"), r"mask.audio: 0 of 128 "),
    "a mask that the encoder cannot have": (
        lambda site, folder: sets("mask.audio=0.001", "loss.stage1.audio=1"),
        r"--init \S+: mask\.audio: 0\.001 of 128 patches of the sound hides none to reconstruct; give at least 0\.0078",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_one_line(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    arrange, pattern = CASES[case]
    error = refused(capsys, [*site.options(tmp_path / "run"), *sets(*SHORT), *arrange(site, tmp_path)])
    assert "\n" not in error
    assert re.search(pattern, error), error
    assert not (tmp_path / "run" / "run.json").exists(), "no run was begun"


@pytest.mark.parametrize("name", ["captions", "init"])
def test_what_neither_the_recipe_nor_the_command_names_is_asked_for(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options = site.options(tmp_path / "run")
    place = options.index(f"--{name}")
    error = refused(capsys, options[:place] + options[place + 2 :])
    assert re.search(rf"recipe.yaml: names no {name}; give --{name} ", error)
    assert "\n" not in error


def test_shards_that_nobody_names_are_looked_for_where_prepare_writes_them(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = site.options(tmp_path / "run")
    place = options.index("--data")
    error = refused(capsys, options[:place] + options[place + 2 :])
    assert "shards: there are no shards; make them with `vaemo-train prepare --out shards`" in error


def test_captions_of_unknown_clips_may_be_left_out_and_the_end_is_told(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captions = _captions(tmp_path, *clip_ids(site.shards), "stranger")
    options = [*site.options(tmp_path / "run"), *sets(*SHORT), *captions, "--allow-unknown-clips"]
    assert vaemo_train("stage2", *options) == 0
    told = capsys.readouterr()
    assert "1 of 9 captions left out: 1 of clips that the shards do not have" in told.err
    assert re.search(r"done: 2 steps in .*; last losses: .*affect_audio", told.out)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["captions"]["of_unknown"] == 1


def test_the_recipe_can_name_all_and_a_size_begins_without_stage_1(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = tiny_shards(tmp_path / "shards", 4)
    named = {"captions": str(site.captions), "init": str(site.init), "data": {"workers": 0, "folder": str(shards)}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(tiny_alignment_recipe(site.text_model, **named)))
    options = ["--recipe", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "run"), "--allow-unknown-clips"]
    assert vaemo_train("stage2", *options, *sets(*SHORT)) == 0
    error = refused(capsys, [*options[:-2], str(tmp_path / "b"), options[-1], *sets(*SHORT), "--init", "vaemo-tiny"])
    assert error.startswith("--init vaemo-tiny: pictures of "), "larger than those of these shards"


def _other_captions(site: Site, folder: Path) -> list[str]:
    return _captions(folder, *clip_ids(site.shards)[:-1])


def _other_text_model(site: Site, folder: Path) -> list[str]:
    return sets(f"text.model={write_tiny_text_model(folder / 'words', seed=1)}")


def _other_init(site: Site, folder: Path) -> list[str]:
    tiny_model(seed=1).save_pretrained(folder / "other")
    return ["--init", str(folder / "other")]


@pytest.mark.parametrize(
    ("arrange", "differing"),
    [
        (_other_captions, ["rows", "captions"]),
        (_other_text_model, ["text_model"]),
        (_other_init, ["init"]),
        (lambda site, folder: sets("loss.alone=0", "mask.video=0.6"), ["recipe loss.alone", "recipe mask.video"]),
    ],
)
def test_a_resume_with_something_else_lists_what_differs(
    site: Site, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arrange: Arrange, differing: list[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(begun, out)
    options = [*site.options(out), *sets(*SHORT), *arrange(site, tmp_path), "--resume"]
    first, *others = refused(capsys, options).splitlines()
    assert first == f"{out} was begun otherwise; resume it as it was, or begin anew with another --out"
    assert [line.split(":")[0].strip() for line in others] == differing
    assert "but the run has" in others[0]


def test_a_run_of_another_stage_is_not_gone_on_with(
    site: Site, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(begun, out)
    assert vaemo_train(
        "stage1",
        "--data",
        str(site.shards),
        "--out",
        str(out),
        "--resume",
        *sets("model.overrides.image_size=64", "batch.per_device=2"),
    )
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "error: " in told
    assert f"{out / 'recipe.yaml'}: " in told
