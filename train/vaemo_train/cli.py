"""The command line `vaemo-train`: each command reads its settings, calls one function, prints one summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="vaemo-train",
    help="Clips in, a unified visual-audio encoder of emotion out.\n\n"
    "prepare decodes and crops the clips of a manifest once, stage1 trains on them without labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TRAIN_MODULES = frozenset(
    {
        "PIL",
        "accelerate",
        "ai_edge_litert",
        "matplotlib",
        "safetensors",
        "scipy",
        "simplejpeg",
        "sklearn",
        "tensorboard",
        "torch",
        "transformers",
    }
)
"""What the extra `train` brings; a base install has none of them."""


@app.command()
def prepare(
    clips: Annotated[Path, typer.Option(help="Manifest written by `vaemo-annotate index`.")] = Path(
        "manifests/clips.parquet"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the shards.")] = Path("shards"),
    modality: Annotated[
        str, typer.Option(help="any (keep what a clip has) | both | audio (no pictures are decoded) | video.")
    ] = "any",
    fps: Annotated[float, typer.Option(help="Faces a second, a multiple of 6.25.")] = 12.5,
    jpeg_quality: Annotated[int, typer.Option(help="Of the stored faces, 30 to 100.")] = 90,
    clips_per_shard: Annotated[int, typer.Option(min=1, help="Clips in a file; about 120 MB of 8 s clips.")] = 256,
    workers: Annotated[int | None, typer.Option(min=1, help="Decoding processes; all cores unless given.")] = None,
    retry_rejects: Annotated[
        bool, typer.Option("--retry-rejects", help="Try again what was not found, timed out, or killed its decoder.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the manifest's first N clips.")] = None,
    max_reject_rate: Annotated[float, typer.Option(min=0, max=1, help="Exit 1 above this share of rejects.")] = 0.2,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds for a clip, and 4 more for each of its own.")
    ] = 120.0,
) -> None:
    """Decode, crop and cut every clip once, into shards that training reads.

    Of each clip: the aligned face that it is about, as JPEGs of 192x192, and its sound at 16 kHz. What cannot be used
    goes to OUT/rejects.parquet with a reason. Interrupt it at will: the same command goes on; clips that the manifest
    gains later are added by the same command.
    """
    from vaemo_train.prepare_command import prepare_with_progress, read_options

    options = read_options(
        clips=clips, out=out, modality=modality, fps=fps, jpeg_quality=jpeg_quality, clips_per_shard=clips_per_shard,
        workers=workers, limit=limit, timeout_s=timeout, retry_rejects=retry_rejects,
    )  # fmt: skip
    reject_rate = prepare_with_progress(options)
    if reject_rate > max_reject_rate:
        typer.echo(f"rejects {reject_rate:.0%} are above --max-reject-rate {max_reject_rate:.0%}", err=True)
        raise typer.Exit(1)


@app.command()
def stage1(
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="stage1, stage1-vox2, stage1-cpu, or a YAML file; unless given stage1, without a GPU stage1-cpu.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of shards; the recipe's unless given.")] = None,
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/stage1"),
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, as optim.base_lr=3e-4.")
    ] = None,
    holdout: Annotated[
        str | None, typer.Option(metavar="COLUMN=VALUE", help="Clips kept out of training, as fold=1.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")] = False,
) -> None:
    """Pre-train the encoder without labels. Interrupt it at will: --resume goes on to the step.

    On several GPUs: torchrun --nproc-per-node 8 -m vaemo_train.cli stage1 --recipe stage1-vox2 --data shards
    """
    from vaemo_train.stage1.run_command import run_stage1

    run_stage1(recipe=recipe, data=data, out=out, changes=changes or [], holdout=holdout, resume=resume)


def main() -> None:
    """Run the command line; a user's mistake or a missing extra is one line on stderr and exit code 2."""
    from vaemo_clips.command_line import run_program

    run_program(app, "train", TRAIN_MODULES)


if __name__ == "__main__":
    main()
