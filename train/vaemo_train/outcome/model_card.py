"""A model card of the Hugging Face Hub: what a fine-tuned model is, how well it does and how that was found out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, Final

import yaml

from vaemo_clips.hub.citation import BIBTEX
from vaemo_train.outcome.card_tables import counted, data_lines, fold_table, recall_table, score_table, split_lines
from vaemo_train.outcome.results_file import ClassScores, FoldEntry, Results

_METRICS: Final = {
    "war": ("accuracy", "WAR (accuracy)", None),
    "uar": ("recall", "UAR (macro recall)", {"average": "macro"}),
    "wf1": ("f1", "WF1 (weighted F1)", {"average": "weighted"}),
    "ccc": ("ccc", "CCC, mean over targets", None),
    "pcc": ("pearsonr", "PCC, mean over targets", None),
    "rmse": ("rmse", "RMSE, mean over targets", None),
}
"""Of each score its id on the Hub, the name that it is shown by, and arguments."""
_FEWER_SPEAKERS: Final = 50
_TOO_FEW_SPEAKERS: Final = 20
"""Below so many clusters intervals are too narrow; see `bootstrap_interval`."""
HERE: Final = "path/to/this/folder"
"""How a card calls the folder that it lies in, if that holds the weights."""
_USE: Final = """```python
from vaemo_train.models import VAEmoModel
model = VAEmoModel.from_pretrained("{model}")
vector = model.embed("clip.mp4").{vector}
```

and its {what} of prepared clips (`vaemo-train prepare`):

```python
from pathlib import Path
from vaemo_train.evaluate.predict import predict
from vaemo_train.models.classification import load_classifier
from vaemo_train.shards.folder import ShardFolder

model = load_classifier(Path("{model}"))
said = predict(model, ShardFolder.open(Path("shards")), num_windows={windows})
```
"""
_LIMITS: Final = """\
- **What it hears and sees is expression, not feeling.** Labels are what people were asked to act, or what others
  thought that they saw. Acted emotion is stronger and more uniform than spontaneous emotion; scores on acted clips do
  not carry over to everyday talk.
- **Culture and language.** How emotion is shown and named differs between cultures, languages, ages, and people with
  and without conditions that change voice or face. How it does for those who are not in the data above is not known.
- **Not for decisions about people**: not for hiring, teaching, policing, credit, insurance, border control, diagnosis,
  or watching people at work or school. Laws forbid or restrict emotion recognition: the EU AI Act (Regulation (EU)
  2024/1689) prohibits it at work and in education but for medical or safety reasons (article 5(1)(f)), and counts other
  uses as high-risk (annex III) with a duty to inform (article 50). Check what holds where you are.
- **Its probabilities are not calibrated**, and it names one of its classes also for clips that show none of them.
- Faces and voices are personal data; do not use it on people who have not agreed.
"""
CITATION: Final = f"""\
This is an independent implementation of the method below. The paper's weights and code were not used; architecture and
hyper-parameters are ours wherever the paper does not state them, those of fine-tuning always. These scores are not the
paper's.

{BIBTEX}
"""


def model_card(
    results: Results | Mapping[str, Any],
    *,
    name: str = "vaemo-finetuned",
    corpus: str | None = None,
    license_name: str | None = None,
    weights: str = "",
    model: str = HERE,
) -> str:
    """Return a card in Markdown with front matter that the Hub understands.

    `results` are those of `read_results`, or the content of results.json; `corpus` is the data's name, by default
    `data.corpus` of the results. `license_name` is an identifier of the Hub; without one the card names none, and
    whoever publishes the weights must. `weights` are sentences that say
    which weights lie beside the card, see `weights_of`; `model` is the folder that its examples load.
    Raises pydantic's ValidationError for content that is no results.
    """
    found = results if isinstance(results, Results) else Results.model_validate(results)
    corpus = corpus or found.data.get("corpus")
    sections = {
        "How to use it": _USE.format(
            what="values" if found.is_regression else "classes",
            windows=found.protocol.num_windows,
            model=model,
            vector={"V": "video", "A": "audio"}.get(found.protocol.trained_on, "both"),
        ),
        "Scores": "\n\n".join(_scores(found, weights)),
        "How it was tested": "\n".join(split_lines(found)) + "\n\n" + fold_table(found),
        "Data": "\n".join(data_lines(found, corpus)),
        "Recipe": _recipe(found),
        "Limits and risks": "".join(_few_speakers(found)) + _LIMITS,
        "Citation": CITATION,
    }
    body = "\n".join(f"## {heading}\n\n{text.strip()}\n" for heading, text in sections.items())
    return (
        f"---\n{_front_matter(found, name, corpus, license_name)}\n---\n\n# {name}\n\n{_what(found, corpus)}\n\n{body}"
    )


def _front_matter(results: Results, name: str, corpus: str | None, license_name: str | None) -> str:
    from huggingface_hub import ModelCardData

    sees = results.protocol.trained_on
    facts: dict[str, Any] = {
        "model_name": name,
        "library_name": "vaemo",
        "pipeline_tag": "audio-classification" if sees == "A" else "video-classification",
        "tags": ["emotion-recognition", "affective-computing", "audio-visual", "vaemo", results.task.replace("_", "-")],
        "metrics": [_METRICS[score][0] for score in results.chance[results.main].scores],
        "eval_results": list(_eval_results(results, corpus)),
    }
    if license_name is not None:
        facts["license"] = license_name
    return str(ModelCardData(**facts).to_yaml()).strip()


def _eval_results(results: Results, corpus: str | None) -> Iterator[Any]:
    from huggingface_hub import EvalResult

    protocol = results.protocol
    split = f"{protocol.num_folds} folds, {len(protocol.seeds)} seeds" if protocol.num_folds > 1 else "test"
    scores = results.scores[results.main]
    for score in ("war", "uar", "wf1") if isinstance(scores, ClassScores) else ("ccc", "pcc", "rmse"):
        kind, shown, arguments = _METRICS[score]
        mean = getattr(scores, score).mean
        if mean is not None:
            yield EvalResult(
                task_type="audio-classification" if protocol.trained_on == "A" else "video-classification",
                task_name="emotion recognition",
                dataset_type=re.sub(r"[^a-z0-9]+", "-", corpus.lower()).strip("-") if corpus else "custom",
                dataset_name=corpus or "not named",
                dataset_split=split,
                metric_type=kind,
                metric_name=f"{shown}, {results.main}, {_averaged(results)}",
                metric_value=round(mean, 4),
                metric_args=arguments,
            )


def _averaged(results: Results) -> str:
    """What a score of the card is the mean of: it is none of one file of weights."""
    protocol = results.protocol
    over = [f"{protocol.num_folds} folds pooled"] if protocol.num_folds > 1 else []
    over += [f"mean over {len(protocol.seeds)} seeds"] if len(protocol.seeds) > 1 else []
    return ", ".join(over) or "one training"


def weights_of(results: Results, fold: str, seed: int) -> str:
    """Which training the weights beside a card come from, for its `weights`."""
    entry = next((one for one in results.folds if one.name == fold), None)
    return (
        f"These weights are those of fold {fold}, seed {seed}: {_parts(entry)}; the scores below are over all folds "
        f"and seeds ({_averaged(results)})."
    )


def _parts(entry: FoldEntry | None) -> str:
    """What a fold was trained and tested on."""
    if entry is None:
        return "tested on nothing"
    trained = "trained on nobody knows what"
    if entry.past is not None:
        clips, people = counted(entry.past)
        trained = f"trained on {clips} clips of {people} speakers"
    speakers = "unknown" if entry.speakers is None else f"{len(entry.speakers):,}"
    return f"{trained}, tested on {entry.num_clips:,} clips of {speakers} speakers"


def _what(results: Results, corpus: str | None) -> str:
    names = ", ".join(results.names)
    task = f"gives {names}" if results.is_regression else f"names one of {len(results.names)} emotions ({names})"
    given = {"V": "video", "A": "sound", "VA": "video and sound", "any": "video, sound, or both"}
    on = f" on {corpus}" if corpus else ""
    takes = ", and takes what a clip has" if results.protocol.trained_on in ("VA", "any") else ""
    return (
        f"A VAEmo encoder, one transformer for picture and sound, fine-tuned{on}: it {task} of a short clip in which "
        f"one person speaks or is seen. It was trained on {given[results.protocol.trained_on]}{takes}."
    )


def _scores(results: Results, weights: str) -> Iterator[str]:
    protocol = results.protocol
    trainings = protocol.num_folds * len(protocol.seeds)
    if weights:
        yield weights
    yield (
        f"Means over {len(protocol.seeds)} seeds ± their standard deviation"
        + (f", 95 % bootstrap intervals over {protocol.intervals}" if protocol.intervals else "")
        + f". They are of {trainings} trainings by the same recipe, each tested on clips that it was not trained on; "
        + "the clips of all folds are scored together."
    )
    yield score_table(results)
    if results.recalls:
        yield "Recall of each class, in percent:"
        yield recall_table(results)


def _recipe(results: Results) -> str:
    recipe = {**results.recipe, **({"init": _init(results.recipe["init"])} if "init" in results.recipe else {})}
    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=110).strip()
    lines = [f"```yaml\n{text}\n```"]
    if results.versions:
        lines.append("Versions: " + ", ".join(f"{name} {version}" for name, version in results.versions.items()) + ".")
    if results.seconds is not None:
        lines.append(f"All trainings took {results.seconds / 60:,.0f} minutes, added up.")
    return "\n\n".join(lines)


def _init(told: Any) -> Any:
    """What the training began with; of a place on the machine it was made on only the end."""
    if isinstance(told, Mapping):
        return {fold: _init(one) for fold, one in told.items()}
    is_place = isinstance(told, str) and PurePath(told).is_absolute()
    return "/".join(("…", *PurePath(told).parts[-2:])) if is_place else told


def _few_speakers(results: Results) -> Iterator[str]:
    speakers = results.data.get("num_speakers")
    if speakers is None:
        yield "- **Nobody knows how many people speak in the data**, nor whether some are in training and test.\n"
        return
    if speakers < _FEWER_SPEAKERS:
        yield (
            f"- **{speakers} people are tested{_trained_people(results)}.** The intervals say what {speakers} other "
            f"people of the same kind would change, no more than that.\n"
        )
    if speakers < _TOO_FEW_SPEAKERS:
        yield f"- **The intervals are too narrow**: they are over fewer than {_TOO_FEW_SPEAKERS} speakers.\n"


def _trained_people(results: Results) -> str:
    counts = {None if fold.past is None else fold.past.num_speakers for fold in results.folds}
    known = sorted(count for count in counts if count is not None)
    if len(known) < len(counts):
        return ""
    span = f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"
    return f", {span} trained on in each fold"
