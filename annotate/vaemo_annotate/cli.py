"""The command line `vaemo-annotate`: each command reads its settings, calls one function, prints one summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vaemo_clips.corpora.names import CORPUS_NAMES

if TYPE_CHECKING:
    from vaemo_annotate.run import RunSummary

app = typer.Typer(
    name="vaemo-annotate",
    help="Clips in, emotion captions out.\n\n"
    "index a folder of clips, run a chain-of-thought prompt over them on a multimodal LLM, "
    "show what came of it, push it to the Hugging Face Hub.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MANIFEST = Path("manifests/clips.parquet")
ANNOTATE_MODULES = frozenset(
    {
        "PIL",
        "ai_edge_litert",
        "aiohttp",
        "datasets",
        "ffmpeg",
        "huggingface_hub",
        "imageio_ffmpeg",
        "jinja2",
        "jsonschema",
        "matplotlib",
        "orjson",
        "scipy",
        "tenacity",
    }
)
"""What the extra `annotate` brings; a base install has none of them."""


@app.command()
def index(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder of clips, or a .csv, .jsonl or .parquet.")],
    out: Annotated[Path, typer.Option(help="The manifest to write or to bring up to date.")] = MANIFEST,
    root: Annotated[Path | None, typer.Option(help="Folder that paths in SRC are relative to.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores unless given.")] = None,
    corpus: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"SRC is this corpus's official folder: {', '.join(CORPUS_NAMES)}."),
    ] = None,
) -> None:
    """List the clips of a folder or table in a manifest: probed, hashed, one row each.

    A table needs a column 'path'; 'clip_id', 'start_s' and 'end_s' are understood, other columns are
    carried through. With --corpus, labels, speakers and folds come from the corpus's own file names and lists.
    Files that cannot be read go to <OUT>.rejects.parquet with a reason. Run it again when files have been added:
    unchanged files are not read again.
    """
    from vaemo_annotate.index_command import index_with_progress

    index_with_progress(source, out, root, workers, corpus)
    typer.echo(f"next: vaemo-annotate run --prompt prompts/cot_v2.yaml --clips {out}")


@app.command()
def run(
    prompt: Annotated[Path, typer.Option(help="Prompt YAML, as prompts/cot_v2.yaml.")],
    clips: Annotated[Path, typer.Option(help="Manifest written by `index`.")] = MANIFEST,
    out: Annotated[Path | None, typer.Option(help="Run folder (manifests/captions/PROMPT-NAME unless given).")] = None,
    engine: Annotated[
        str, typer.Option(help="auto | vllm (start a server) | endpoint (use one) | cues (no model).")
    ] = "auto",
    model: Annotated[
        str | None, typer.Option(help="Model id; with --engine vllm Qwen/Qwen2.5-Omni-7B unless given.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="URL of an OpenAI-compatible server (or VAEMO_ENDPOINT).")
    ] = None,
    concurrency: Annotated[str, typer.Option(help="auto, or the number of requests in flight.")] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N clips.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the sampling and of --pilot's draw; the prompt's unless given.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Captions a clip; sample k is drawn with seed + k.")] = 1,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only part I of N, for N machines.")] = None,
    pilot: Annotated[int | None, typer.Option(min=1, help="Try N random clips; say what all would cost.")] = None,
    max_reject_rate: Annotated[float, typer.Option(min=0, max=1, help="Exit 1 above this share of rejects.")] = 0.2,
    vllm_python: Annotated[Path | None, typer.Option(help="Python of the environment that has vLLM.")] = None,
    vllm_args: Annotated[str, typer.Option(help="Further arguments for vLLM's server, as one string.")] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Decoding processes; all cores unless given.")] = None,
    request_timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one request.")] = 600.0,
    patience: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for a server that died.")] = 600.0,
    startup_timeout: Annotated[float, typer.Option(min=1, help="Seconds for vLLM to start.")] = 1800.0,
) -> None:
    """Caption every clip of a manifest with a prompt. Interrupt it at will: the same command resumes.

    Without a server and without a GPU, `auto` comes to `cues`: what is measured in face and voice is put into words by
    written rules, whatever the prompt's steps say. A column 'speaker' in the manifest lets every clip be held against
    the speaker's other clips.

    The API key, where the server wants one, is read from VAEMO_API_KEY (for api.openai.com also OPENAI_API_KEY).
    """
    from vaemo_annotate.run import run as run_job
    from vaemo_annotate.run_command import read_settings

    settings = read_settings(
        prompt=prompt, clips=clips, out=out, engine=engine, model=model, endpoint=endpoint, concurrency=concurrency,
        limit=limit, seed=seed, samples=samples, shard=shard, pilot=pilot, max_reject_rate=max_reject_rate,
        vllm_python=vllm_python, vllm_args=vllm_args, workers=workers, request_timeout_s=request_timeout,
        patience_s=patience, startup_timeout_s=startup_timeout,
    )  # fmt: skip
    try:
        summary = run_job(settings)
    except KeyboardInterrupt:
        typer.echo("interrupted; every reply so far is kept, the same command resumes", err=True)
        raise typer.Exit(130) from None
    _finish(summary, max_reject_rate)


def _finish(summary: RunSummary, max_reject_rate: float) -> None:
    """Print the summary of a run and leave with its exit code."""
    from vaemo_annotate.run_command import summary_lines

    for line in summary_lines(summary):
        typer.echo(line)
    if summary.reject_rate > max_reject_rate:
        typer.echo(f"rejects {summary.reject_rate:.0%} are above --max-reject-rate {max_reject_rate:.0%}", err=True)
        raise typer.Exit(1)


@app.command()
def cues(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A media file.")],
    plot: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Draw a figure: .png, .pdf or .svg.")] = None,
    start: Annotated[float | None, typer.Option(min=0, help="Second to begin at.")] = None,
    end: Annotated[float | None, typer.Option(min=0, help="Second to end before.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", metavar="OUT.json", help="Also write the numbers.")] = None,
) -> None:
    """Measure what can be measured in a clip: its face and its voice, over time.

    Every cue comes with a unit, the share of the clip that it rests on, and its distance from people's neutral
    clips, or with the reason why it cannot be measured. --plot draws the aligned face, the cues over time, the
    waveform and a log-mel spectrogram with the pitch. No GPU, no model server.
    """
    from vaemo_annotate.cues_command import show_cues

    show_cues(file, plot=plot, start_s=start, end_s=end, json_out=json_out)


@app.command()
def merge(
    outs: Annotated[list[Path], typer.Argument(metavar="OUT...", help="A run folder with shards, or the shards.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to merge to; the run folder of the shards unless given.")
    ] = None,
) -> None:
    """Join the shards of one run (--shard I/N) into one dataset."""
    from vaemo_annotate.merge import merge_runs

    merged = merge_runs(outs, out)
    typer.echo(
        f"{merged.accepted:,} captions and {merged.rejected:,} rejects of {merged.shards} shards in {merged.folder}"
    )
    typer.echo(f"next: vaemo-annotate show {merged.folder}")


@app.command()
def show(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A run folder.")],
    clip: Annotated[str | None, typer.Option(help="Only this clip_id.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many captions.")] = 3,
    rejects: Annotated[bool, typer.Option("--rejects", help="Show rejects instead of captions.")] = False,
    steps: Annotated[bool, typer.Option("--steps", help="Show the reply of every step.")] = False,
) -> None:
    """Read captions in the terminal."""
    from vaemo_annotate.show import show_captions

    show_captions(out, clip_id=clip, count=count, rejects=rejects, with_steps=steps)


@app.command()
def prompt(
    path: Annotated[Path, typer.Argument(metavar="PROMPT", help="Prompt YAML.")],
    clip: Annotated[Path | None, typer.Option(help="A media file to render the prompt for.")] = None,
) -> None:
    """Check a prompt file and show the messages that would be sent."""
    from vaemo_annotate.prompt_view import show_prompt

    show_prompt(path, clip)
    typer.echo(f"next: vaemo-annotate run --prompt {path} --pilot 20")


@app.command()
def doctor(
    endpoint: Annotated[str | None, typer.Option(help="Server to try (or VAEMO_ENDPOINT).")] = None,
    model: Annotated[str | None, typer.Option(help="Model to try there.")] = None,
    vllm_python: Annotated[Path | None, typer.Option(help="Python of the environment that has vLLM.")] = None,
) -> None:
    """Say what works on this machine, and what to do about what does not."""
    from vaemo_annotate.doctor import examine

    if not examine(endpoint, model, vllm_python):
        raise typer.Exit(1)


@app.command()
def push(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A finished run folder.")],
    repo: Annotated[str, typer.Option(help="Dataset on the Hugging Face Hub: USER/NAME.")],
    private: Annotated[bool, typer.Option("--private", help="Make the dataset private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the files and the card.")] = False,
    license_id: Annotated[str | None, typer.Option("--license", help="Licence of the captions, as cc-by-4.0.")] = None,
) -> None:
    """Publish the captions on the Hugging Face Hub, with a card made from the run; never any media."""
    from vaemo_annotate.push_command import push_with_summary

    push_with_summary(out, repo, private=private, dry_run=dry_run, license_id=license_id)


def main() -> None:
    """Run the command line; a user's mistake or a missing extra is one line on stderr and exit code 2."""
    from vaemo_clips.command_line import run_program

    run_program(app, "annotate", ANNOTATE_MODULES)
