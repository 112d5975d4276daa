"""The command line `vaemo-train`: each command reads its settings, calls one function, prints one summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vaemo_train.judging.noise_option import WithNoise

app = typer.Typer(
    name="vaemo-train",
    help="Clips in, a unified visual-audio encoder of emotion out.\n\n"
    "prepare decodes and crops the clips of a manifest once, stage1 trains on them without labels, stage2 teaches the "
    "encoder what captions say.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TRAIN_MODULES = frozenset(
    {
        "PIL",
        "accelerate",
        "ai_edge_litert",
        "huggingface_hub",
        "matplotlib",
        "safetensors",
        "scipy",
        "sentence_transformers",
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
    data: Annotated[Path | None, typer.Option(help="Folder of shards; the recipe's, else shards.")] = None,
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


@app.command()
def stage2(
    captions: Annotated[
        Path | None, typer.Option(help="Folder below which the caption datasets lie; the recipe's unless given.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(metavar="RUN|SIZE", help="Run of stage1 to begin from; or a size, as vaemo-tiny: no stage 1."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="stage2, stage2-multi, stage2-cpu, or a YAML file; unless given stage2, without a GPU stage2-cpu.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of shards; the recipe's, else shards.")] = None,
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/stage2"),
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, as loss.soft_share=0.5.")
    ] = None,
    holdout: Annotated[
        str | None, typer.Option(metavar="COLUMN=VALUE", help="Clips kept out, with their captions, as fold=1.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")] = False,
    allow_unknown_clips: Annotated[
        bool, typer.Option("--allow-unknown-clips", help="Leave out captions of clips that the shards do not have.")
    ] = False,
) -> None:
    """Teach the encoder what captions say: clips and their descriptions, contrasted on two paths.

    Every caption dataset below --captions is used, as far as its clips are in the shards and not held out. The texts
    are embedded once, by a frozen model, and kept beside the captions.
    """
    from vaemo_train.stage2.run_command import run_stage2

    run_stage2(
        recipe=recipe, data=data, captions=captions, init=init, out=out, changes=changes or [], holdout=holdout,
        resume=resume, allow_unknown=allow_unknown_clips,
    )  # fmt: skip


@app.command()
def finetune(
    init: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|SIZE",
            help="The run that the training begins with; {fold} in it stands for the name of the fold. The name of a "
            "size, as vaemo-tiny, begins with random weights.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of shards. Unless given, it is the recipe's, else shards.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that the runs and their scores are written to.")] = Path(
        "runs/finetune"
    ),
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="The recipe: finetune, finetune-cpu, or a YAML file. Unless given, it suits the machine.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Changes a setting of the recipe, as length.epochs=20."),
    ] = None,
    label_column: Annotated[str, typer.Option(help="Column that holds the classes.")] = "label",
    targets: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Columns of numbers to predict instead of classes, as valence,arousal."),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(help="Manifest whose labels, speakers and folds replace those of the shards, by clip_id."),
    ] = None,
    folds: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="How clips are divided. A column (fold) is tested value by value, speaker leaves one out, a number "
            "deals whole speakers to so many folds, COLUMN=VALUE tests these clips, split is the corpus's own, none "
            "tests nothing. Unless given, it is fold where there is such a column, else split, else 5.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often each fold is trained, each time with another seed.")] = 3,
    modality: Annotated[
        str | None, typer.Option(help="What is trained on: any | both | audio | video. Unless given, as in the recipe.")
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="I/N", help="Only every Nth training is done, so that N processes can work at once.")
    ] = "1/1",
    resume: Annotated[bool, typer.Option("--resume", help="The trainings that are in OUT are gone on with.")] = False,
    skip_unlabelled: Annotated[
        bool, typer.Option("--skip-unlabelled", help="Clips without a label are left out.")
    ] = False,
) -> None:
    """Fine-tune for classes or values, each fold with each seed, and test on speakers that were never seen.

    Nothing is chosen on a test part: the last step's weights count, or with select.checkpoint=validation those that
    did best on speakers kept out of the training part. Scores are of video (V), sound (A) and both (VA), mean and
    standard deviation over seeds, with intervals over speakers.
    """
    from vaemo_train.finetune.run_command import Options, run_finetune

    run_finetune(Options(
        recipe=recipe, data=data, init=init, out=out, changes=changes or [], label_column=label_column, targets=targets,
        manifest=clips, folds=folds, seeds=seeds, modality=modality, part=part, resume=resume,
        skip_unlabelled=skip_unlabelled,
    ))  # fmt: skip


@app.command(cls=WithNoise)
def evaluate(
    model: Annotated[
        Path,
        typer.Option(
            metavar="RUN",
            help="Folder of finetune, where each model is judged by its own test part, or one of its models.",
        ),
    ] = Path("runs/finetune"),
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of shards. Unless given, it is the one trained on; for one model it is shards."),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many windows of 2.56 s of each 10 s are looked at. Unless given, as in the recipe."
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="[SPEC]",
            help="Clips are also made worse. Without a value these are noise, blur and lost frames at three strengths "
            "each; others are given in quotes as snr=10;blur=2;snr=5,drop=0.5 (dB, pixels, share of frames).",
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Scores are shown beside those published on this corpus, as mafw."),
    ] = None,
    holdout: Annotated[
        str | None, typer.Option(metavar="COLUMN=VALUE", help="One model is judged by these clips only, as fold=1.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column of the classes that one model is judged by. Unless given, it is label.")
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Columns of numbers that one model is judged by. Unless given, they are its own names."
        ),
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(help="Manifest whose labels replace those of the shards, by clip_id.")
    ] = None,
    skip_unlabelled: Annotated[
        bool, typer.Option("--skip-unlabelled", help="Clips without a label are left out, where one model is judged.")
    ] = False,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="How many windows are judged at once. Unless given, as in the recipe.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file for the numbers, and a figure of the same name. Unless given, it is RUN/evaluation.json; "
            "other windows and noise are in its name, as evaluation-noise.json."
        ),
    ] = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="RUN is of stage1 or stage2; a linear classifier is trained on its frozen features."
        ),
    ] = False,
    folds: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="With --probe clips are divided as in finetune; {fold} in RUN stands for the name of the fold.",
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="With --probe a window is its tokens' mean, statistics (mean and deviation, the default), or bands "
            "(these for each mel band and row of the face: better, and many times slower)."
        ),
    ] = None,
) -> None:
    """Judge fine-tuned models again: with other windows, under noise, beside published scores, on other clips.

    Of a folder of finetune every fold's and seed's model judges the clips that it was tested on, never another's: the
    shards and labels must be those it was trained with. One model (RUN/fold-1/seed-0) judges any labelled clips, such
    as those of another corpus; what it was trained on among them is told, not left out. With --probe RUN is an encoder
    that never saw a label, and a linear classifier on its features is trained and tested.

    vaemo-train evaluate --model runs/finetune --noise --corpus ravdess
    """
    from vaemo_train.judging.command import Options, run_evaluate

    run_evaluate(Options(
        model=model, data=data, windows=windows, noise=noise, corpus=corpus, holdout=holdout, label_column=label_column,
        targets=targets, manifest=clips, skip_unlabelled=skip_unlabelled, batch_size=batch_size, out=out,
        probe=probe, folds=folds, pooling=pooling,
    ))  # fmt: skip


_MODEL = typer.Option("--model", help="Run of stage2, or its model folder.")
_SHARDS = typer.Option("--data", help="Folder of shards with the clips.")
_ONLY = typer.Option(
    "--holdout", metavar="COLUMN=VALUE", help="Only these clips (those that stage2 --holdout kept out), as fold=1."
)
_TEXT_MODEL = typer.Option(help="Where the model's text encoder lies, if not under the name it was trained with.")
_WINDOWS = typer.Option(min=1, help="Windows of 2.56 s that a row of at most 10 s is looked at by.")
_BATCH = typer.Option(min=1, help="Windows at once.")
_NUMBERS = typer.Option(help="Write the numbers to this JSON file.")


@app.command()
def retrieve(
    text: Annotated[str | None, typer.Argument(help="Find clips that fit: a face, a voice, a feeling.")] = None,
    model: Annotated[Path, _MODEL] = Path("runs/stage2"),
    data: Annotated[Path, _SHARDS] = Path("shards"),
    clip: Annotated[str | None, typer.Option(help="Find the captions that fit this clip_id instead.")] = None,
    captions: Annotated[Path | None, typer.Option(help="Folder below which the caption datasets lie.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    path: Annotated[
        str, typer.Option(help="visual | acoustic | affect | all (the mean of their cosines; for --clip affect).")
    ] = "all",
    holdout: Annotated[str | None, _ONLY] = None,
    text_model: Annotated[str | None, _TEXT_MODEL] = None,
    windows: Annotated[int, _WINDOWS] = 2,
    batch_size: Annotated[int, _BATCH] = 16,
    out: Annotated[Path | None, _NUMBERS] = None,
) -> None:
    """Find clips by a text, captions by a clip, or measure both.

    With a TEXT the clips that fit it, with --clip the captions that fit that clip; with neither, recall at 1, 5 and
    10 and the median rank of clips and captions that belong together, each beside its chance: by path, and by all paths
    together, where of several descriptions of a path the first stands for the clip. The clips' vectors are computed
    once and kept beside the model.
    """
    from vaemo_train.text_space.gallery import Gallery
    from vaemo_train.text_space.retrieve_command import Question
    from vaemo_train.text_space.retrieve_command import retrieve as answer

    question = Question(text, clip, captions, path, top)
    answer(Gallery.open(model, data, text_model, holdout, windows, batch_size), question, out)


@app.command("zero-shot")
def zero_shot(
    labels: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="emotions, or a YAML file: each label's descriptions.")
    ] = "emotions",
    model: Annotated[Path, _MODEL] = Path("runs/stage2"),
    data: Annotated[Path, _SHARDS] = Path("shards"),
    label_column: Annotated[str, typer.Option(help="Column that holds the right label.")] = "label",
    holdout: Annotated[str | None, _ONLY] = None,
    text_model: Annotated[str | None, _TEXT_MODEL] = None,
    windows: Annotated[int, _WINDOWS] = 2,
    batch_size: Annotated[int, _BATCH] = 16,
    out: Annotated[Path | None, _NUMBERS] = None,
) -> None:
    """Name clips by descriptions of the labels alone, from video (V), sound (A) and both (VA).

    No label was ever shown: each has a few descriptions of how it looks, sounds and feels, whose vectors are averaged.
    The labels to choose from are those that occur in the column, in any row of the shards. WAR stands beside the share
    of the largest class, UAR beside chance, WF1 alone.
    """
    from vaemo_train.text_space.gallery import Gallery
    from vaemo_train.text_space.zero_shot_command import Naming, name_clips

    naming = Naming.read(labels, label_column)
    name_clips(Gallery.open(model, data, text_model, holdout, windows, batch_size), naming, out)


@app.command()
def embed(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="Folder of shards (which is fastest), clips.parquet, or folder of media files."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="RUN|FOLDER|hf://USER/NAME",
            help="Any VAEmo model, of stage1, stage2 or finetune. Only hf:// asks the Hub.",
        ),
    ] = "runs/stage1",
    out: Annotated[Path, typer.Option(help="Parquet file that is written.")] = Path("embeddings.parquet"),
    modality: Annotated[
        str,
        typer.Option(help="What vectors are of: any (V, A and VA, as far as a clip has them) | both | audio | video."),
    ] = "any",
    windows: Annotated[
        int | None,
        typer.Option(min=1, help="How many windows of 2.56 s of each 10 s are looked at. Unless given, 2 are."),
    ] = None,
    window_step: Annotated[
        float | None, typer.Option(help="Instead of --windows, one is looked at every so many seconds, 0.08 at least.")
    ] = None,
    per_window: Annotated[
        bool, typer.Option("--per-window", help="A row is written for each window, not for each clip.")
    ] = False,
    pooling: Annotated[
        str,
        typer.Option(
            help="How tokens become a vector: mean (D numbers: compact, for search and clusters) | statistics (mean "
            "and standard deviation of the tokens, 2D) | bands (the same for each mel band and each row of the face, "
            "16D for audio and 20D for video: for linear probes)."
        ),
    ] = "mean",
    layers: Annotated[
        str, typer.Option(help="Which layers are taken: last | lower+last (the last unimodal block too).")
    ] = "last",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="How many windows are encoded at once. Unless given, 4 are, on a GPU 64.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many threads encode, and processes decode media. Unless given, as many as cores."
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Numbers are computed in auto (bfloat16 where the machine has it) | bf16 | float32.")
    ] = "auto",
) -> None:
    """Write the vectors of clips to a Parquet file, for pandas, datasets, or anything that reads Parquet.

    A row has the clip's own columns and a vector for its picture (video), its sound (audio) and both at once, null
    where it lacks them. Clips without any go to <OUT>.rejects.parquet with a reason. Memory does not grow with the
    number of clips. Interrupt it at will: the same command goes on.
    """
    from vaemo_train.embed.command import embed_with_progress

    embed_with_progress(
        source, model, out, precision=precision, workers=workers, modality=modality, windows=windows,
        window_step_s=window_step, per_window=per_window, pooling=pooling, layers=layers, batch_size=batch_size,
    )  # fmt: skip


@app.command()
def push(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of stage1, stage2 or finetune.")],
    repo: Annotated[str, typer.Option(help="Model on the Hugging Face Hub: USER/NAME.")],
    private: Annotated[bool, typer.Option("--private", help="Make the model private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the files and the card.")] = False,
    license_id: Annotated[
        str | None, typer.Option("--license", help="Licence of the weights, as cc-by-nc-4.0.")
    ] = None,
) -> None:
    """Publish a trained model on the Hugging Face Hub: weights, settings, scores and a card; no training state.

    --dry-run shows every file and the card and contacts nobody. The token is that of `hf auth login` or HF_TOKEN.
    """
    from vaemo_train.push.push_command import push_with_summary

    push_with_summary(run, repo, private=private, dry_run=dry_run, license_id=license_id)


def main() -> None:
    """Run the command line; a user's mistake or a missing extra is one line on stderr and exit code 2."""
    from vaemo_clips.command_line import run_program

    run_program(app, "train", TRAIN_MODULES)


if __name__ == "__main__":
    main()
