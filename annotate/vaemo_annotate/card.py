"""The dataset card of a pushed run: what its captions are, how they were made, what they are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import yaml
from huggingface_hub import DatasetCardData

from vaemo_annotate.published_run import RunRecord, Tally
from vaemo_clips.caption import DESCRIPTION_SCHEMA

CAPTION_FILES = "data/accepted-*.parquet"
REJECT_FILES = "data/rejects-*.parquet"

COLUMN_MEANINGS = {
    "clip_id": "Stable, unique name of the clip.",
    "path": "Where the media file lay, relative to the root of its own collection. The file is not included.",
    "sha256": "SHA-256 of the media file, by which owners of the collection find it again.",
    "start_s": "Start of the segment in the file, in seconds (inclusive); null for a whole file.",
    "end_s": "End of the segment in the file, in seconds (exclusive); null for a whole file.",
    "duration_s": "Length of the clip in seconds.",
    "width": "Width of the picture in pixels, after rotation; null without a picture.",
    "height": "Height of the picture in pixels, after rotation; null without a picture.",
    "fps": "Frames per second; null without a picture.",
    "n_frames": "Number of frames; null without a picture.",
    "has_audio": "Whether the clip has sound.",
    "audio_rate_hz": "Sample rate of the sound in Hz; null without sound.",
    "audio_channels": "Number of audio channels; null without sound.",
    "visual_description": "What can be seen: face, head and body over time.",
    "acoustic_description": "What can be heard: pitch, loudness, rate, pauses, voice quality; no transcript.",
    "affect_description": "The integrated description of affect, drawn from both.",
    "emotions": "Emotion words that the evidence supports.",
    "valence": "Unpleasant (-1) to pleasant (1), or null.",
    "arousal": "Calm (-1) to activated (1), or null.",
    "confidence": "The annotator's own confidence from 0 to 1, or null; it is not calibrated.",
    "cues": "Measured cues: `value` in `unit`, `coverage` from 0 to 1, `state` (measured, weak, not_measurable) with "
    "its `reason`, and the distance in standard deviations from people's neutral clips (`population_sd`) and from the "
    "speaker's other clips (`speaker_sd`); empty when none were asked for.",
    "sample_index": "Which of the samples drawn for this clip the row is, from 0.",
    "steps": "Each step of the prompt as it was answered: the reply, how it ended, its tokens, seconds and attempts.",
    "engine": "What answered: a server of a multimodal model, or measured cues put into words.",
    "model": "The model that answered.",
    "model_revision": "Revision of the model's repository, or null where it is not known.",
    "server_version": "Version of the model server, or null where it is not known.",
    "prompt_name": "Name of the prompt.",
    "prompt_version": "Version of the prompt.",
    "prompt_sha256": "SHA-256 of the prompt.",
    "request_sha256": "Digest of the last request: media, messages, schema, model and sampling.",
    "seed": "Seed of the sampling.",
    "created_at": "When the caption was made (UTC).",
    "reject_reason": "Why there is no caption, as a type; in `rejects` only.",
    "reject_detail": "Why there is no caption, in words; in `rejects` only.",
}
"""What each column of a caption dataset means, in one sentence."""

EXTRA_MEANING = "Column of the source manifest, carried through untouched."

LIMITS = """\
- **Not ground truth.** These captions are machine-written and may be wrong, incomplete or made up. They
  say how a clip may look and sound, not what a person felt. Do not score people or models by them as if
  they were human labels.
- **Inference from appearance.** Affect is inferred from faces, bodies and voices. Expression differs
  between persons, cultures, situations and disabilities, and such inferences carry the biases of the
  annotator. They are unfit for decisions about individuals (employment, education, policing, health,
  credit); in some places, emotion inference at work or in schools is forbidden by law.
- **No identity.** The captions are meant to name nobody; do not use them to identify people.
- **No media.** This repository holds text and numbers only. The clips stay under the licences and the
  consent of their own collections; obtain them there."""

CITATION = """\
The captions serve the method of VAEmo (Cheng et al., ACM MM 2025,
[arXiv 2505.02331](https://arxiv.org/abs/2505.02331)). The toolkit that made them is an independent
implementation: the authors of VAEmo released no code and no prompt, and took no part in this dataset.

```bibtex
@inproceedings{cheng2025vaemo,
  title     = {{VAEmo}: Efficient Representation Learning for Visual-Audio Emotion with Knowledge Injection},
  author    = {Cheng, Hao and Zhao, Zhiwei and He, Yichao and Hu, Zhenzhen and Li, Jia and Wang, Meng
               and Hong, Richang},
  booktitle = {Proceedings of the ACM International Conference on Multimedia},
  year      = {2025},
  note      = {arXiv:2505.02331}
}
```"""

_POWERS = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>#|!~$&]|(?<=:)/(?=/)|(?<=www)\.")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def inline(value: object) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no table bar, no link, no HTML."""
    text = " ".join(_CONTROL.sub(" ", str(value)).split())
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), text)


def code(name: object) -> str:
    """A name in code letters, or as plain text where it would end them."""
    text = str(name)
    is_plain = text.strip() == text != "" and text.isprintable() and not set(text) & set("`|\\")
    return f"`{text}`" if is_plain else inline(text)


def render_card(
    repo: str,
    license_id: str | None,
    run: RunRecord,
    tally: Tally,
    schema: pa.Schema,
    example: Mapping[str, Any],
) -> str:
    """The card as the text of a README.md; `schema` has all published columns, `example` is a published row."""
    sections = [
        f"# {repo.split('/')[1]}",
        _what_it_is(run, tally),
        "## Loading\n\n" + _loading(repo, tally),
        "## How it was made\n\n" + _how_it_was_made(run),
        "## Counts\n\n" + _counts(run, tally),
        "## Columns\n\n" + _columns(schema),
        "## Example\n\n" + _example(example),
        "## Limits and responsible use\n\n" + LIMITS,
        "## Licence\n\n" + _licence(license_id),
        "## Citation\n\n" + CITATION,
    ]
    header = _metadata(repo, license_id, tally).to_yaml()
    return f"---\n{header}\n---\n\n" + "\n\n".join(sections) + "\n"


def size_category(num_rows: int) -> str:
    """The Hub's name for a dataset of this many rows."""
    reached = [name for exponent, name in enumerate(_POWERS, start=3) if num_rows >= 10**exponent]
    if not reached:
        return f"n<{_POWERS[0]}"
    if len(reached) == len(_POWERS):
        return f"n>{_POWERS[-1]}"
    return f"{reached[-1]}<n<{_POWERS[len(reached)]}"


def _metadata(repo: str, license_id: str | None, tally: Tally) -> DatasetCardData:
    captions = {"config_name": "captions", "default": True, "data_files": _train(CAPTION_FILES)}
    rejects = {"config_name": "rejects", "data_files": _train(REJECT_FILES)}
    return DatasetCardData(
        pretty_name=repo.split("/")[1],
        language="en",
        license=license_id or "other",
        task_categories=["video-text-to-text", "text-classification"],
        size_categories=size_category(tally.published),
        tags=["emotion", "affective-computing", "audio-visual", "captions", "machine-generated", "vaemo"],
        configs=[captions, rejects] if tally.rejected else [captions],
    )


def _train(path: str) -> list[dict[str, str]]:
    return [{"split": "train", "path": path}]


def _what_it_is(run: RunRecord, tally: Tally) -> str:
    by = "measured cues put into words" if run.engine.name == "cues" else "a multimodal language model"
    captions = "caption" if tally.published == 1 else "captions"
    return (
        f"{tally.published:,} English {captions} of short video and audio clips: how people look and sound, and the "
        f"affect this suggests. Written by machine ({by}) with the VAEmo toolkit {inline(run.vaemo_version)}. "
        "Text and numbers only: **no media**."
    )


def _loading(repo: str, tally: Tally) -> str:
    lines = [f'captions = load_dataset("{repo}", split="train")']
    if tally.rejected:
        lines.append(f'rejects = load_dataset("{repo}", "rejects", split="train")  # no caption, and why')
    code_lines = "\n".join(["from datasets import load_dataset", "", *lines])
    join = "Join the rows with your own copy of the clips by `clip_id`, `path` or `sha256`."
    return f"```python\n{code_lines}\n```\n\n{join}"


def _how_it_was_made(run: RunRecord) -> str:
    prompt, engine = run.prompt, run.engine
    asked = engine.name != "cues"
    facts = {
        "Prompt": f"{code(prompt.name)}, version {inline(prompt.version)}"
        + ("" if asked else "; it gave the run its name, no model was asked"),
        "About the prompt": _known(prompt.description) if asked else "not used",
        "Prompt SHA-256": code(prompt.sha256),
        "Engine": inline(engine.name) if asked else "cues: face and voice measured, put into words by written rules",
        "Model": _known(engine.model),
        "Model revision": _known(engine.model_revision),
        "Server version": _known(engine.server_version),
        "Sampling": _sampling(prompt.text) if asked else "none",
        "Seed": _known(run.settings.seed),
        "Samples per clip": inline(run.settings.samples),
        "Shard": _shard(run.settings.shard),
        "Limit": "none" if run.settings.limit is None else f"{run.settings.limit:,} clips",
        "Pilot": "yes, a trial on a few clips" if run.pilot else "no",
        "Finished": _known(run.finished_at),
    }
    table = _table(["What", "Value"], facts.items())
    files = "The whole prompt is in [prompt.yaml](prompt.yaml). " if prompt.text is not None else ""
    return f"{table}\n\n{files}Settings and counts are in [run.json](run.json)."


def _shard(shard: dict[str, int] | str | None) -> str:
    if isinstance(shard, dict):
        return f"{shard.get('index')} of {shard.get('count')}"
    return "all clips" if shard is None else inline(shard)


def _sampling(prompt_text: str | None) -> str:
    """The `sampling` part of the prompt file, on one line."""
    try:
        prompt = yaml.safe_load(prompt_text or "")
    except yaml.YAMLError:
        return "see prompt.yaml"
    sampling = prompt.get("sampling") if isinstance(prompt, dict) else None
    if not isinstance(sampling, dict):
        return "not recorded"
    return ", ".join(f"{code(name)} {inline(value)}" for name, value in sampling.items())


def _counts(run: RunRecord, tally: Tally) -> str:
    rows = [
        ("Accepted captions", tally.accepted),
        *((f"Rejected: {code(reason)}", count) for reason, count in sorted(tally.rejects_by_reason.items())),
    ]
    table = _table(
        ["Outcome", "Count", "Share"],
        [(name, f"{count:,}", f"{count / tally.total:.1%}") for name, count in rows],
    )
    checked = "Every accepted caption is published here as it was written."
    if tally.dropped or tally.fixed:
        checked = (
            f"Quality control left out {tally.dropped:,} of the {tally.accepted:,} accepted captions and rewrote "
            f"`affect_description` in {tally.fixed:,} of the {tally.published:,} published here."
        )
    tokens = run.tokens
    spent = (
        f"Tokens: {tokens.prompt:,} in prompts ({tokens.cached:,} of them cached), "
        f"{tokens.completion:,} in completions."
    )
    return f"{table}\n\n{checked}\n\n{spent}"


def _columns(schema: pa.Schema) -> str:
    rows = ((code(f.name), code(_type(f.type)), COLUMN_MEANINGS.get(f.name, EXTRA_MEANING)) for f in schema)
    return _table(["Column", "Type", "Meaning"], rows)


def _type(arrow: pa.DataType) -> str:
    """A column's type as the card shows it: `list of {name: string, value: double}`."""
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return f"list of {_type(arrow.value_type)}"
    if pa.types.is_struct(arrow):
        return "{" + ", ".join(f"{field.name}: {_type(field.type)}" for field in arrow) + "}"
    return str(arrow)


def _example(row: Mapping[str, Any]) -> str:
    names = ["clip_id", *(name for name in DESCRIPTION_SCHEMA.names if row[name] is not None)]
    cells = ((code(name), inline(_shown(row[name]))) for name in names)
    return _table(["Column", "Value"], cells)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _licence(license_id: str | None) -> str:
    if license_id is not None:
        return f"The captions are published under `{license_id}`. The clips have licences of their own."
    return (
        "No licence was chosen for these captions when they were pushed, so the card says `other`: ask the "
        "owner of this repository. Terms of the model that wrote them and of the clips may apply as well."
    )


def _known(value: object) -> str:
    return "not recorded" if value is None else inline(value)


def _table(header: list[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
