"""`vaemo-train evaluate --probe` as a user sees it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from vaemo_train.judging.probed import Probed, ProbeRequest

FORMAT_VERSION: Final = 1
FILE: Final = "probe.json"


def run_probe(request: ProbeRequest, out: Path | None) -> None:
    """Probe, print the scores, write the numbers. Raises UserErrors."""
    from vaemo_train.evaluate.report import probe_report
    from vaemo_train.judging.probed import probe
    from vaemo_train.text_space.answer import check_out, console, write_numbers

    check_out(out)
    found = probe(request, on_encoder=lambda line: typer.echo(line, err=True))
    for note in _notes(found):
        typer.echo(f"note: {note}", err=True)
    console().print(probe_report(found.results, f"linear probe of {request.model} ({request.pooling}): {found.reason}"))
    write_numbers(out or default_file(request.model), _numbers(found, request))
    finetune = ["vaemo-train", "finetune", "--init", request.model, "--data", str(request.data)]
    typer.echo(f"next: {shlex.join(finetune)}")


def default_file(model: str) -> Path:
    """probe.json in the run; where {fold} names several, in the folder above them."""
    place = Path(model)
    while "{fold}" in str(place):
        place = place.parent
    return place / FILE


def _notes(found: Probed) -> Iterator[str]:
    yield from found.notes
    saw = [name for name, seen in found.seen.items() if seen == "yes"]
    if saw:
        yield f"the encoder was pre-trained, without labels, on speakers who are tested in fold {', '.join(saw)}"
    unknown = [name for name, seen in found.seen.items() if seen == "unknown"]
    if unknown:
        yield f"nobody knows whether the encoder saw, without labels, who is tested in fold {', '.join(unknown)}"


def _numbers(found: Probed, request: ProbeRequest) -> dict[str, Any]:
    """For JSON; what is not known is null."""
    from vaemo_train.training import environment

    return {
        "format_version": FORMAT_VERSION,
        "encoders": {name: {"model": str(place), "sha256": sha} for name, (place, sha) in found.encoders.items()},
        "pretraining_saw_test_speakers": dict(found.seen),
        "shards": str(request.data),
        "shards_digest": found.folder.digest,
        "folds": found.reason,
        "windows": request.windows,
        "pooling": request.pooling,
        "notes": list(_notes(found)),
        "results": {name: _known(result.as_dict()) for name, result in found.results.items()},
        "versions": environment.versions(),
        "machine": environment.machine(),
        "command": environment.command_line(),
    }


def _known(value: Any) -> Any:
    """The same with None for what is no number, as JSON has it."""
    if isinstance(value, dict):
        return {name: _known(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and value != value else value
