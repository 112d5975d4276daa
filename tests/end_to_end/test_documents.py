"""What the documents say is there: commands, options, files, and the sample table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from tests.support.servers import REPOSITORY
from tests.support.workspace import annotate
from vaemo_annotate.cli import app as annotate_app
from vaemo_train.cli import app as train_app

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "annotate/README.md", "train/README.md", "manifests/README.md"]
PROGRAMS = {"vaemo-annotate": annotate_app, "vaemo-train": train_app}


def shown_commands() -> list[tuple[str, str, str, list[str]]]:
    """Return (document, program, command, options) of every line in a code block that calls one of our programs."""
    found = []
    for name in DOCUMENTS:
        for block in re.findall(r"```bash\n(.*?)```", (REPOSITORY / name).read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.match(r"(vaemo-annotate|vaemo-train) ([\w-]+)(.*)", line)
                if match:
                    outside_quotes = re.sub(r'"[^"]*"', "", match[3].split(" #")[0])
                    found.append((name, match[1], match[2], re.findall(r"--[\w-]+", outside_quotes)))
    return found


def test_every_command_shown_exists_with_its_options() -> None:
    shown = shown_commands()
    assert len(shown) >= 15
    assert {program for _, program, _, _ in shown} == set(PROGRAMS)
    for document, program, name, options in shown:
        commands = typer.main.get_command(PROGRAMS[program]).commands  # type: ignore[attr-defined]
        assert name in commands, f"{document}: {program} {name}"
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(options) <= known, f"{document}: {program} {name} {options}"


def test_every_make_target_shown_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for name in DOCUMENTS:
        for target in re.findall(r"^make ([a-z-]+)", (REPOSITORY / name).read_text(), re.MULTILINE):
            assert target in targets, f"{name}: make {target}"


def test_links_lead_to_files() -> None:
    for name in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (REPOSITORY / name).read_text()):
            assert (REPOSITORY / Path(name).parent / target).exists(), f"{name}: {target}"


def test_the_readme_tells_the_essentials_by_line_40() -> None:
    head = "\n".join((REPOSITORY / "README.md").read_text().splitlines()[:40])
    for word in ("make demo", "make test", "pip install", "vaemo-annotate run", "benchmarks/RESULTS.md"):
        assert word in head


def test_the_sample_table_is_indexed_as_the_page_says(tmp_path: Path, demo_clips: Path) -> None:
    sample = REPOSITORY / "manifests" / "sample" / "clips.csv"
    done = annotate("index", sample, "--root", demo_clips, "--out", tmp_path / "clips.parquet")
    assert "4 clips + 0 rejects = 4 found" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("program", "command"),
    [
        *(("vaemo_annotate", name) for name in ("index", "run", "cues", "merge", "show", "prompt", "doctor")),
        *(("vaemo_annotate", name) for name in ("check", "report", "review", "push")),
        *(("vaemo_train", name) for name in ("prepare", "stage1", "stage2", "retrieve", "zero-shot", "push")),
    ],
)
def test_help_teaches_and_loads_nothing_heavy(program: str, command: str) -> None:
    import subprocess
    import sys

    code = f"import sys; from {program}.cli import app; app(sys.argv[1:], standalone_mode=False);"
    code += (
        "heavy = ('av', 'numpy', 'pyarrow', 'aiohttp', 'datasets', 'jinja2', 'matplotlib', 'PIL', 'scipy', 'torch');"
        "print('HEAVY', [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, command, "--help"], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert len(done.stdout.splitlines()) > 8
