"""A finished training in a model repository: what loads from there, what never leaves, what is not fit to be seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard, snapshot_download
from safetensors.torch import load_file, save_file

from tests.support.hub_server import HubServer
from tests.support.local_hub import local_hub
from tests.support.tiny_finetune import TinyFinetune, write_encoder, write_finetune
from tests.support.tiny_vaemo import tiny_batch
from vaemo_clips.errors import CheckpointError, RunFolderError, ServerError, UserError
from vaemo_train.models import VAEmoModel
from vaemo_train.models.classification import load_classifier
from vaemo_train.outcome.results_file import read_results
from vaemo_train.push.push import ModelPush, push
from vaemo_train.push.push_command import push_with_summary

REPO = "ann/emo-encoder"
TOP = ["README.md", "config.json", "figures/curves.png", "model.safetensors", "preprocessor_config.json",
       "recipe.yaml", "run.json"]  # fmt: skip


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with local_hub(monkeypatch, tmp_path / "home") as server:
        yield server


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory: pytest.TempPathFactory) -> TinyFinetune:
    """Two folds, one seed."""
    return write_finetune(tmp_path_factory.mktemp("finetuned"), seeds=1)


def run_of(folder: Path, **changes: Any) -> Path:
    """A run of stage 1 as it is left behind, with all that must stay there."""
    write_encoder(folder)
    record = {
        "format_version": 1, "state": "done", "command": ["vaemo-train", "stage1", "--data", "/home/ann/shards"],
        "data": "/home/ann/shards", "counts": {"clips": 558, "rows": 600}, "held_out": "4 of 40 speakers",
        "steps": 800, "identity": {"data": "fe90"}, "seeds": {"training": 3}, "machine": {"processor": "AMD EPYC"},
        "monitor": {"monitor/top1": 0.5, "monitor/top1_low": 0.25, "monitor/top1_high": 0.75,
                    "monitor/top1_chance": 0.02, "monitor/own_share": float("nan")},
        "validation_speakers": ["Zoe Zimmer", "Bob"], "host": "gpu-07", "sessions": [{"error": "/home/ann: no space"}],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record | changes))
    (folder / "metrics.jsonl").write_text('{"step": 800, "loss": 1.9, "loss/audio": 0.6}\n{"step": 800, "epoch": 2}\n')
    (folder / "recipe.yaml").write_text("data: {folder: /home/ann/shards}\noptim: {base_lr: 0.02}\n")
    for name in ("figures/curves.png", "figures/step-0000400.png", "checkpoints/step-400/optimizer.pt",
                 "tb/events.out.tfevents.1", "model/training_args.bin", "model/old.pt", "README.md"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"/home/ann")
    return folder


def pushed(run: Path, **changes: Any) -> ModelPush:
    return push(run, **{"repo": REPO, "private": False, "dry_run": False, **changes})


def test_a_pushed_encoder_loads_from_the_hub_as_it_was(hub: HubServer, tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    pushed(run, private=True)
    assert hub.models[REPO].private
    batch = tiny_batch(2)
    here, there = (VAEmoModel.from_pretrained(place).eval() for place in (run / "model", REPO))
    with torch.no_grad():
        given, got = (model(**batch) for model in (here, there))
    assert torch.equal(given.video_embeds, got.video_embeds)


def test_only_model_records_and_figures_of_numbers_are_pushed(hub: HubServer, tmp_path: Path) -> None:
    result = pushed(run_of(tmp_path / "run"))
    files = hub.models[REPO].files
    assert sorted(files.keys() - {".gitattributes"}) == TOP == [file.path for file in result.files]
    told = "".join(files[name].content.decode() for name in TOP if name.endswith((".json", ".md", ".yaml")))
    for secret in ("/home", "gpu-07", "no space", "Zimmer"):
        assert secret not in told, secret
    record = json.loads(files["run.json"].content)
    assert record["command"] == ["vaemo-train", "stage1", "--data", "shards"]
    assert record["validation_speakers"] == 2, "their number, not who they are"
    assert record["monitor"]["monitor/own_share"] is None, "JSON has no NaN"


def test_the_model_folder_of_a_run_is_pushed_as_the_run_is(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    whole, model = (pushed(place, dry_run=True) for place in (run, run / "model"))
    assert (whole.files, whole.card) == (model.files, model.card)


def test_the_card_of_an_encoder_tells_how_it_was_made_and_what_it_is_not(tmp_path: Path) -> None:
    result = pushed(run_of(tmp_path / "run"), dry_run=True, license_id="apache-2.0")
    data = ModelCard(result.card).data.to_dict()
    assert (data["license"], data["library_name"], "stage1" in data["tags"]) == ("apache-2.0", "vaemo", True)
    assert f'VAEmoModel.from_pretrained("{REPO}")' in result.card
    assert "| clips | 558 |" in result.card
    assert "| audio | 0.6 |" in result.card
    assert "| top1 | 0.5 | 0.25 to 0.75 | 0.02 |" in result.card
    assert "base_lr: 0.02" in result.card
    assert "Not for decisions about people" in result.card
    assert "cheng2025vaemo" in result.card
    assert "No licence was chosen" in pushed(tmp_path / "run", dry_run=True).card


def test_the_card_of_stage_2_tells_of_its_captions(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", captions={"folder": "/home/ann/captions", "clips": 500}, init="/home/ann/s1/model")
    card = pushed(run, dry_run=True).card
    assert "aligned with written descriptions" in card
    assert "| clips | 500 |" in card
    assert "Its descriptions were written by a model" in card
    assert "/home" not in card


def test_a_whole_fine_tuning_goes_with_all_models_and_its_scores(hub: HubServer, finetuned: TinyFinetune) -> None:
    result = pushed(finetuned.out, license_id="mit")
    paths = {file.path for file in result.files}
    assert {f"fold-{fold}/seed-0/model/{name}" for fold in (1, 2) for name in ("config.json", "model.safetensors")} <= (
        paths
    )
    assert {"README.md", "results.json", "fold-1/seed-0/run.json"} <= paths
    assert not [path for path in paths if "checkpoints" in path or path.endswith((".pt", ".bin", ".parquet"))]
    assert "hf download ann/emo-encoder --local-dir emo-encoder" in result.card
    assert 'from_pretrained("emo-encoder/fold-1/seed-0/model")' in result.card
    assert "## Licence\n\nThe weights are published under `mit`." in result.card
    model = VAEmoModel.from_pretrained(REPO, subfolder="fold-2/seed-0/model")
    assert model.config.hidden_size == 32


def test_one_model_of_a_fine_tuning_keeps_its_scores_and_names_its_classes(
    hub: HubServer, finetuned: TinyFinetune, tmp_path: Path
) -> None:
    result = pushed(finetuned.run(fold=2) / "model")
    assert {"config.json", "model.safetensors", "results.json"} <= {file.path for file in result.files}
    assert "These weights are those of fold 2, seed 0" in result.card
    folder = Path(snapshot_download(REPO, local_dir=tmp_path / "here"))
    labels: Any = load_classifier(folder).config.id2label
    assert set(labels.values()) == {"anger", "calm", "joy"}
    assert read_results(folder / "results.json").protocol.num_folds == 2
    texts = "".join(path.read_text() for path in folder.rglob("*") if path.suffix in (".json", ".md", ".yaml"))
    assert str(finetuned.out.parent) not in texts


def test_a_push_of_one_model_after_that_of_many_leaves_no_stale_weights(
    hub: HubServer, finetuned: TinyFinetune
) -> None:
    pushed(finetuned.out)
    result = pushed(finetuned.run())
    assert result.pushed is not None
    assert "fold-2/seed-0/model/model.safetensors" in result.pushed.removed
    assert [path for path in hub.models[REPO].files if path.endswith(".safetensors")] == ["model.safetensors"]


def test_a_broken_push_publishes_nothing_and_the_next_sends_no_weights_again(hub: HubServer, tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    hub.drops["commit"] = 1
    with pytest.raises(ServerError, match="the commit arrived whole or not at all; push again"):
        pushed(run)
    assert list(hub.models[REPO].files) == [".gitattributes"]
    sent = list(hub.uploaded)
    assert pushed(run).pushed is not None
    assert hub.uploaded == sent
    assert len(hub.models[REPO].commits) == 2


def test_the_same_push_twice_is_one_commit(hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path / "run")
    for _ in range(2):
        push_with_summary(run, REPO, private=False, dry_run=False)
    assert len(hub.models[REPO].commits) == 2
    assert f"{hub.url}/{REPO} holds all of this already" in capsys.readouterr().out


def test_a_dry_run_lists_all_and_contacts_nobody(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    run = run_of(tmp_path / "run")
    push_with_summary(run, REPO, private=True, dry_run=True, license_id="mit")
    told = capsys.readouterr().out
    assert hub.requests == []
    for name in TOP:
        assert f"\n  {name}  " in told
    assert told.splitlines()[-1] == (
        f"dry run: nothing was sent; next: vaemo-train push {run} --repo {REPO} --private --license mit"
    )


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_an_unfinished_training_is_refused(hub: HubServer, tmp_path: Path, state: str) -> None:
    with pytest.raises(RunFolderError, match=rf"is not finished \(its state is '{state}'\); finish it .* --resume"):
        pushed(run_of(tmp_path / "run", state=state))
    assert hub.requests == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    path = run_of(tmp_path / "run") / "model" / "model.safetensors"
    weights = load_file(path)
    name = max(weights)
    weights[name] = torch.full_like(weights[name], value)
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=rf"{name} holds NaN or infinity; such a model is not pushed"):
        pushed(tmp_path / "run", dry_run=True)


def test_a_last_loss_that_is_no_number_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    (run / "metrics.jsonl").write_text('{"step": 800, "loss": NaN}\n')
    with pytest.raises(RunFolderError, match="the last loss is nan; such a model is not pushed"):
        pushed(run, dry_run=True)


def test_a_model_of_pickles_alone_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    (run / "model" / "model.safetensors").rename(run / "model" / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"has no \*\.safetensors"):
        pushed(run, dry_run=True)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = run_of(tmp_path / "run") / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        pushed(tmp_path / "run", dry_run=True)


def test_a_folder_without_a_training_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    for place in (tmp_path, run / "checkpoints" / "step-400"):
        with pytest.raises(RunFolderError, match="holds no finished training"):
            pushed(place, dry_run=True)


def test_names_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'emo' is not a repository's name"):
        pushed(tmp_path, repo="emo", dry_run=True)
    with pytest.raises(UserError, match="is not a licence identifier"):
        pushed(tmp_path, license_id="My Licence", dry_run=True)
