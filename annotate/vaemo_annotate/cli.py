"""The command line `vaemo-annotate`: each command reads its settings, calls one function, prints one summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vaemo_clips.corpora.names import CORPUS_NAMES

if TYPE_CHECKING:
    from vaemo_annotate.run import RunSummary

app = typer.Typer(
    name="vaemo-annotate",
    help="Clips in, emotion captions out.\n\n"
    "index a folder of clips, run a chain-of-thought prompt over them on a multimodal LLM, "
    "check what came of it, review it, push it to the Hugging Face Hub.",
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
        "py3langid",
        "pyemotionwheel",
        "rensa",
        "scipy",
        "tenacity",
        "vaderSentiment",
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
    canaries: Annotated[
        str, typer.Option(help="stop | warn | off: when clips of planted truth show that sound or picture is ignored.")
    ] = "stop",
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
        limit=limit, seed=seed, samples=samples, shard=shard, pilot=pilot, canaries=canaries,
        max_reject_rate=max_reject_rate,
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
def check(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A finished run folder.")],
    rules: Annotated[Path | None, typer.Option(help="Rules YAML; the shipped one unless given.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores unless given.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure face and voice of clips whose captions carry no cues.")
    ] = False,
    ablate: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="First ask the model about N clips again: muted, blanked, swapped."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="With --ablate: the server's URL; the run's own unless given.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="With --ablate: model id; the run's own unless given.")] = None,
    vllm_python: Annotated[Path | None, typer.Option(help="With --ablate: Python that has vLLM.")] = None,
) -> None:
    """Judge every caption by written rules: keep or drop, with typed reasons. Nothing is deleted.

    form (length, language, repetition, copies, refusals, cut-off replies), leaks (label, transcript, names, identity,
    dataset), grounding (statements about face and voice against what was measured), consistency (emotions against
    valence and arousal), agreement (over the samples of a clip). Verdicts go to OUT/verdicts.parquet, which
    `report`, `review`, `push` and `vaemo-train stage2` use.

    --ablate N asks the run's model about N clips once more without their sound, without their picture, and with the
    sound of another clip: statements that survive the loss of what they are about are made up.
    """
    if ablate is not None:
        from vaemo_annotate.probes.ablation_command import ablate_with_summary

        ablate_with_summary(out, ablate, endpoint=endpoint, model=model, vllm_python=vllm_python)
    from vaemo_annotate.quality.check_command import check_with_summary

    check_with_summary(out, rules, workers, measure)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A finished run folder.")],
    file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="OUT/report.html unless given.")
    ] = None,
    price_in: Annotated[float | None, typer.Option(min=0, help="Price of a million prompt tokens.")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="Price of a million generated tokens.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Examples at random, and as many at risk.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of examples.")] = 0,
) -> None:
    """Write one HTML page about a run: counts, rejects, what was found, cue support, drift, cost, examples.

    The page holds its pictures itself and asks nothing of the network: send it to a colleague as it is.
    """
    from vaemo_annotate.report.report_command import report_with_summary

    report_with_summary(out, file, price_in, price_out, examples, seed)


@app.command()
def review(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A finished run folder.")],
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; the first free one from 8765 unless given.")
    ] = None,
    annotator: Annotated[str | None, typer.Option(help="Your name; the page asks unless given.")] = None,
    order: Annotated[
        Literal["risk", "random", "dataset"], typer.Option(help="risk: doubtful ones first, 30 % at random.")
    ] = "risk",
    count: Annotated[int | None, typer.Option(min=1, help="Only so many captions.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order; the same for all annotators.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in your browser.")] = True,
) -> None:
    """Watch, hear and judge captions on a web page of this machine: accept, fix or reject, by keyboard.

    The page is served on 127.0.0.1 alone. Verdicts go to OUT/verdicts.parquet and outrank those of `check`; several
    people may judge at once, and their agreement is shown.
    """
    from vaemo_annotate.review.review_command import review_with_summary

    review_with_summary(out, port, annotator, order, count, seed, open_browser)


@app.command()
def push(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A finished run folder.")],
    repo: Annotated[str, typer.Option(help="Dataset on the Hugging Face Hub: USER/NAME.")],
    private: Annotated[bool, typer.Option("--private", help="Make the dataset private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the files and the card.")] = False,
    license_id: Annotated[str | None, typer.Option("--license", help="Licence of the captions, as cc-by-4.0.")] = None,
    with_media: Annotated[
        bool,
        typer.Option("--with-media", help="Also the clips whose column 'license' in the manifest allows it."),
    ] = False,
) -> None:
    """Publish the kept captions and all verdicts on the Hugging Face Hub, with a card made from the run.

    No media go along, unless --with-media is given and the manifest says of a clip that its licence allows it.
    --dry-run shows every file and the card and contacts nobody. The token is that of `hf auth login` or HF_TOKEN.
    """
    from vaemo_annotate.push_command import push_with_summary

    push_with_summary(out, repo, private=private, dry_run=dry_run, license_id=license_id, with_media=with_media)


def main() -> None:
    """Run the command line; a user's mistake or a missing extra is one line on stderr and exit code 2."""
    from vaemo_clips.command_line import run_program

    run_program(app, "annotate", ANNOTATE_MODULES)
