"""Fine-tuning of every fold with every seed, each tested on speakers that it never saw; scores over all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import torch

from vaemo_clips.errors import RecipeError, RunFolderError
from vaemo_clips.whole_file import write_text
from vaemo_train.evaluate.folds import texts
from vaemo_train.evaluate.predict import predict
from vaemo_train.finetune.reported import report
from vaemo_train.finetune.request import FORMAT_VERSION, PROTOCOL, Job, Request, read_protocol
from vaemo_train.finetune.run import Finetuning, Task
from vaemo_train.finetune.seen import Seen, saw_test_speakers
from vaemo_train.finetune.selection import BEST, modalities_of, truth_of
from vaemo_train.finetune.split_facts import fold_folder, rows_trained_on, trained_on
from vaemo_train.models.classification import load_classifier
from vaemo_train.models.encoder_weights import check_encoder
from vaemo_train.outcome.predictions_file import write_predictions
from vaemo_train.outcome.results_file import Results
from vaemo_train.protocol.splits import make_splits
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.beginning import find_init, init_identity
from vaemo_train.training import environment
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.joint import from_first
from vaemo_train.training.recipe_file import recipe_text
from vaemo_train.training.record import RunFolder
from vaemo_train.training.run import RunSummary, run_stage


class CrossValidation:
    """All trainings of a request. Raises the UserErrors of shards, labels, splits, encoders and the output folder."""

    def __init__(self, request: Request) -> None:
        """Read the labels, make the splits, find every encoder: whatever is wrong is found before the first step."""
        self.request = request
        self.folder = ShardFolder.open(request.data)
        self.targets = Targets.read(
            self.folder, label_column=request.label_column, target_columns=request.target_columns,
            manifest=request.manifest, skip_unlabelled=request.skip_unlabelled,
        )  # fmt: skip
        recipe = request.recipe
        self.splits = make_splits(
            self.targets.rows, self.targets, folds=request.folds,
            validation_share=recipe.select.validation_share, seed=recipe.seed,
        )  # fmt: skip
        self.task = Task.of(self.folder, self.targets)
        self._check_init()
        inits = {split.name: find_init(request.init.replace("{fold}", split.name)) for split in self.splits}
        self.seen: dict[str, Seen] = {
            split.name: saw_test_speakers(inits[split.name], self.targets.rows, split.test) for split in self.splits
        }
        self.jobs = [
            Job(
                split, recipe.seed + number, inits[split.name], request.out / fold_folder(split.name) / f"seed-{number}"
            )
            for number in range(request.num_seeds)
            for split in self.splits
        ]

        self._check_metric()
        for job in self.jobs[: len(self.splits)]:
            check_encoder(job.init)
            Finetuning(recipe, self.task, job.split, job.init, job.run)

    def _check_metric(self) -> None:
        metric, is_regression = self.request.recipe.select.metric, self.targets.is_regression
        if metric is not None and (metric == "ccc") != is_regression:
            raise RecipeError(
                f"select.metric: {metric} is no score of a {'regression' if is_regression else 'classification'}; "
                f"give {'ccc' if is_regression else 'uar, war or wf1'}, or nothing"
            )

    def _check_init(self) -> None:
        if "{fold}" not in self.request.init and "{" in self.request.init:
            raise RecipeError(f"--init {self.request.init}: only {{fold}} stands for something, the fold's name")

    def identity(self) -> dict[str, Any]:
        """What a later start must have in common with the first, but for the number of seeds."""
        recipe = self.request.recipe.model_copy(update={"init": None})
        return {
            "recipe": recipe_text(recipe),
            "data": self.folder.digest,
            "labels": self.task.label_digest,
            "folds": [split.name for split in self.splits],
            "init": {job.split.name: init_identity(job.init) for job in self.jobs},
        }

    def begin(self) -> None:
        """Note the protocol in the output folder, or see that it is the one noted. Raises RunFolderError."""
        path, identity = self.request.out / PROTOCOL, self.identity()
        if not path.exists():
            noted = {"format_version": FORMAT_VERSION, "request": self.request.as_dict(), "identity": identity}
            try:
                self.request.out.mkdir(parents=True, exist_ok=True)
                write_text(path, json.dumps(noted, indent=2, ensure_ascii=False) + "\n")
            except OSError as error:
                raise RunFolderError(
                    f"--out {self.request.out} cannot be written ({error.strerror}); make room, or give another folder"
                ) from error
            return
        if not self.request.resume and self.request.part == (1, 1):
            raise RunFolderError(
                f"{self.request.out} holds a fine-tuning; add --resume to go on with it, or give another --out"
            )
        known = read_protocol(self.request.out)["identity"]
        changed = [name for name, value in identity.items() if known.get(name) != value]
        if changed:
            raise RunFolderError(
                f"{self.request.out} was begun with another {' and another '.join(changed)}; go on as it was begun, "
                "or give another --out"
            )

    def opening_lines(self) -> Iterator[str]:
        """What is going to be done."""
        yield self.splits[0].reason if len(self.splits) == 1 else self.splits[0].reason.partition(";")[0]
        yield from self.targets.notes
        counts = self.targets.counts
        if counts:
            yield "clips of each class: " + ", ".join(f"{name} {count:,}" for name, count in counts.items())
        for note in dict.fromkeys(note for split in self.splits for note in split.notes):
            yield f"note: {note}"
        if any(seen == "yes" for seen in self.seen.values()):
            folds = ", ".join(name for name, seen in self.seen.items() if seen == "yes")
            yield f"note: the encoder was pre-trained, without labels, on speakers who are tested in fold {folds}"
        yield f"{len(self.splits)} folds x {self.request.num_seeds} seeds: {len(self.jobs)} trainings"

    def own_jobs(self) -> list[Job]:
        """The trainings of this part."""
        number, of = self.request.part
        return self.jobs[number - 1 :: of]

    def run(self, job: Job, console: TrainingConsole | None = None) -> RunSummary | None:
        """Train a job and judge its test part; None where that was done before. An interrupted run has no scores."""
        if job.predictions.exists():
            return None
        recipe = self.request.recipe.model_copy(update={"seed": job.seed})
        stage = Finetuning(recipe, self.task, job.split, job.init, job.run)
        folder, summary = RunFolder(job.run), None
        if not folder.model.exists():
            resume = folder.holds_run
            summary = run_stage(stage, job.run, resume=resume, console=console)
            if summary.state == "interrupted":
                return summary
        from_first(lambda: self._judge(job, stage), environment.num_processes())
        return summary

    def _judge(self, job: Job, stage: Finetuning) -> None:
        """Write what the model says of its test part; drop checkpoints, which nobody needs any more."""
        folder = RunFolder(job.run)
        if len(job.split.test):
            recipe = self.request.recipe
            model = load_classifier(folder.model)
            torch.nn.Module.to(model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
            found = predict(
                model, self.folder, job.split.test,
                modalities=modalities_of(self.folder, job.split.test, recipe.modality),
                num_windows=recipe.evaluation.windows, batch_size=recipe.evaluation.batch_size,
                workers=recipe.data.workers, bf16=environment.resolve_bf16(recipe),
            )  # fmt: skip
            write_predictions(
                job.predictions, found, self._truth(found.clip_ids), fold=job.split.name, seed=job.seed,
                speakers=self._speakers(found.clip_ids),
                trained_on=trained_on(self.folder, rows_trained_on(self.splits), recipe.modality),
            )  # fmt: skip
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
        (job.run / BEST).unlink(missing_ok=True)

    def _truth(self, clip_ids: Any) -> Any:
        return truth_of(self.targets, clip_ids)

    def _speakers(self, clip_ids: Any) -> Any:
        if self.targets.speakers is None:
            return None
        of_clip = dict(zip(self.targets.clip_ids.tolist(), self.targets.speakers.tolist(), strict=True))
        return texts([of_clip[clip_id] for clip_id in clip_ids.tolist()])

    def outstanding(self) -> list[Job]:
        """Trainings that are not done, of all parts."""
        return [job for job in self.jobs if len(job.split.test) and not job.predictions.exists()]

    def finish(self) -> Results:
        """Scores over all folds and seeds: results.json, figures, a card of all models and one beside each."""
        return report(self)
