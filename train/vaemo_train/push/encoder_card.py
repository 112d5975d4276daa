"""The model card of an encoder from pre-training (or of a fine-tuning that was tested on nothing)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vaemo_clips.hub.destination import Destination
from vaemo_train.outcome.model_card import CITATION
from vaemo_train.push.finished import FinishedTraining, TrainedModel
from vaemo_train.push.staging import published_recipe, published_record

_WHAT: Final = {
    "stage1": "A VAEmo encoder, one transformer for picture and sound of faces that speak, pre-trained without labels: "
    "it was taught to fill in masked patches of faces and of sound, and which sound goes with which picture. It names "
    "no emotions; its vectors are for probing and fine-tuning.",
    "stage2": "A VAEmo encoder, one transformer for picture and sound of faces that speak, pre-trained without labels "
    "and then aligned with written descriptions of clips: what can be seen, what can be heard, what affect they "
    "suggest. The descriptions are machine-written. It finds clips by texts; its vectors are for probing and "
    "fine-tuning.",
    "finetune": "A VAEmo encoder, one transformer for picture and sound of faces that speak, with a head that was "
    "fine-tuned on labels. **It was tested on nothing**: no score of it is known.",
}
_USE: Final = """```python
from vaemo_train.models import VAEmoModel

model = VAEmoModel.from_pretrained("{repo}"{subfolder})
vectors = model.embed("clip.mp4")  # .video, .audio, .both
```"""
_BESIDE: Final = ("low", "high", "chance")
"""What a measure's name ends in, where the number tells of another."""
_LIMITS: Final = """\
- **What it hears and sees is expression, not feeling**, and expression differs between persons, cultures, languages,
  ages, situations, and people with and without conditions that change voice or face. How it does for people who are
  not in its data is not known; nobody measured gaps by gender, age, skin colour or accent.
- **It learns what its data are**: acted speech teaches actors' conventions, and vectors also tell who speaks, the
  recording and the room.{captions}
- **Not for decisions about people**: not for hiring, teaching, policing, credit, insurance, border control, diagnosis,
  or watching people at work or school. Laws forbid or restrict emotion recognition; check what holds where you are.
- Faces and voices are personal data; do not use it on people who have not agreed."""
_CAPTION_LIMITS: Final = """
- **Its descriptions were written by a model** and hand on that model's errors: invented sounds, over-read faces,
  common emotions preferred to rare ones, one language and one culture's words for affect."""


def encoder_card(found: FinishedTraining, to: Destination, license_id: str | None) -> str:
    """The card as the text of a README.md."""
    model = found.models[0]
    record = published_record(model)
    sections = {
        "How to use it": _use(found, to),
        "Data": _table(_facts(record.get("counts", {}))) + f"\n\nHeld out: {record.get('held_out', 'not recorded')}.",
        **({"Descriptions": _table(_facts(record["captions"]))} if "captions" in record else {}),
        "Losses and measures": "\n\n".join(_measures(model, record)),
        "Recipe": _recipe(model, record),
        "Limits and risks": _LIMITS.format(captions=_CAPTION_LIMITS if found.stage == "stage2" else ""),
        "Licence": licence_text(license_id),
        "Citation": CITATION.strip(),
    }
    body = "\n".join(f"## {heading}\n\n{text}\n" for heading, text in sections.items())
    return f"---\n{_front_matter(found, to, license_id)}\n---\n\n# {to.name}\n\n{_WHAT[found.stage]}\n\n{body}"


def licence_text(license_id: str | None) -> str:
    """Under which terms the weights stand, and what else may bind."""
    own = (
        f"The weights are published under `{license_id}`."
        if license_id is not None
        else "No licence was chosen for these weights when they were pushed: ask the owner of this repository."
    )
    return f"{own} Terms of the clips, labels and captions that they were trained on may apply as well."


def _front_matter(found: FinishedTraining, to: Destination, license_id: str | None) -> str:
    from huggingface_hub import ModelCardData

    facts: dict[str, Any] = {
        "model_name": to.name,
        "library_name": "vaemo",
        "pipeline_tag": "feature-extraction",
        "tags": ["emotion-recognition", "affective-computing", "audio-visual", "vaemo", found.stage],
    }
    if license_id is not None:
        facts["license"] = license_id
    return str(ModelCardData(**facts).to_yaml()).strip()


def _use(found: FinishedTraining, to: Destination) -> str:
    place = found.place(found.models[0]).removesuffix("/")
    return _USE.format(repo=to.repo, subfolder=f', subfolder="{place}"' if place else "")


def _measures(model: TrainedModel, record: Mapping[str, Any]) -> Iterator[str]:
    losses = {name.removeprefix("loss/"): f"{value:.4g}" for name, value in model.last_losses().items()}
    yield f"After {record.get('steps', '?'):,} steps, in training; parts are not weighted:"
    yield _table(losses) if losses else "No loss was recorded."
    monitor = record.get("monitor")
    if isinstance(monitor, Mapping):
        yield "On held-out clips, with 95 % bootstrap intervals and what guessing gives, where they are known:"
        yield _monitor_table({name.removeprefix("monitor/"): value for name, value in monitor.items()})


def _monitor_table(values: Mapping[str, float | None]) -> str:
    """A line for each measure: its value, its interval, its chance."""
    lines = ["| measure | value | interval | chance |", "| --- | ---: | ---: | ---: |"]
    for name, value in values.items():
        stem, _, last = name.rpartition("_")
        if last not in _BESIDE or stem not in values:
            low, high, chance = (values.get(f"{name}_{beside}") for beside in _BESIDE)
            interval = "" if low is None or high is None else f"{low:.4g} to {high:.4g}"
            lines.append(f"| {_cell(name)} | {_number(value)} | {interval} | {_number(chance)} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _recipe(model: TrainedModel, record: Mapping[str, Any]) -> str:
    facts = {name: record[name] for name in ("init", "parameters", "clips_per_step", "peak_lr", "seeds", "text_model",
             "versions", "machine", "wall_s") if name in record}  # fmt: skip
    return f"{_table(_facts(facts))}\n\n```yaml\n{published_recipe(model).strip()}\n```"


def _facts(content: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Numbers and words of a record by their places in it."""
    found: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            found |= _facts(value, f"{above}{name}.")
        elif isinstance(value, int) and not isinstance(value, bool):
            found[f"{above}{name}"] = f"{value:,}"
        elif isinstance(value, float):
            found[f"{above}{name}"] = f"{value:.4g}"
        elif value not in (None, [], ""):
            found[f"{above}{name}"] = str(value)
    return found


def _table(facts: Mapping[str, str]) -> str:
    rows = (f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.items())
    return "\n".join(["| what | value |", "| --- | ---: |", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
