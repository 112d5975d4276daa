"""The dataset card of a pushed run: what its captions are, how they were made, what they are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from huggingface_hub import DatasetCardData

from vaemo_annotate.published.card_checks import checks_section
from vaemo_annotate.published.card_media import licence_section, license_tags, media_section
from vaemo_annotate.published.card_origin import origin_section
from vaemo_annotate.published.checks import CheckRecord
from vaemo_annotate.published.columns import (
    COLUMN_MEANINGS,
    MEDIA_MEANINGS,
    SPEAKER_MEANING,
    VERDICT_MEANINGS,
    columns_table,
)
from vaemo_annotate.published.markdown import code, fenced, inline, table
from vaemo_annotate.published.media import MEDIA_SCHEMA, MediaChoice
from vaemo_annotate.published.people import PublicColumns
from vaemo_annotate.published.run import RunRecord, Tally
from vaemo_annotate.published.verdicts import PUBLISHED_SCHEMA, Agreement
from vaemo_annotate.published.words import BIASES, CITATION, LIMITS, MEDIA_ALONG, NO_MEDIA
from vaemo_clips.caption import DESCRIPTION_SCHEMA

CAPTION_FILES = "data/accepted-*.parquet"
REJECT_FILES = "data/rejects-*.parquet"
VERDICT_FILES = "data/verdicts-*.parquet"
MEDIA_FILES = "data/media-*.parquet"

_POWERS = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]


@dataclass(frozen=True, slots=True, eq=False)
class CardFacts:
    """What a card is written from; `schema` has all published columns of captions, `example` is a published row."""

    repo: str
    license_id: str | None
    run: RunRecord
    tally: Tally
    schema: pa.Schema
    example: Mapping[str, Any]
    check: CheckRecord | None
    ablation: Mapping[str, Any] | None
    agreement: Agreement | None
    media: MediaChoice | None
    columns: PublicColumns

    @property
    def has_media(self) -> bool:
        """Whether any file goes along."""
        return self.media is not None and bool(self.media.files)

    @property
    def configs(self) -> dict[str, str]:
        """The tables that can be loaded, and their files; `datasets` fails on one without rows."""
        there = {
            "captions": (CAPTION_FILES, True),
            "verdicts": (VERDICT_FILES, bool(self.tally.verdicts)),
            "rejects": (REJECT_FILES, bool(self.tally.rejected)),
            "media": (MEDIA_FILES, self.has_media),
        }
        return {name: files for name, (files, is_there) in there.items() if is_there}

    @property
    def _canaries(self) -> Any:
        """What canaries came to, None where none were asked."""
        found = self.run.canaries
        return None if isinstance(found, Mapping) and found.get("asked") == 0 else found

    @property
    def probes(self) -> dict[str, Any]:
        """What canaries and ablation came to, by their titles."""
        results = {
            "Canaries (clips with planted truth that the model was asked about before the run)": self._canaries,
            "Ablation (clips asked about again without sound, without picture, with another clip's sound)": (
                self.ablation
            ),
        }
        return {name: found for name, found in results.items() if found}


def render_card(facts: CardFacts) -> str:
    """The card as the text of a README.md."""
    header = _metadata(facts).to_yaml()
    return f"---\n{header}\n---\n\n# {facts.repo.split('/')[1]}\n\n" + "\n\n".join(_sections(facts)) + "\n"


def _sections(facts: CardFacts) -> Iterator[str]:
    run, tally, media = facts.run, facts.tally, facts.media
    yield _what_it_is(facts)
    yield "## Loading\n\n" + _loading(facts)
    yield "## How it was made\n\n" + origin_section(run)
    if run.prompt.text is not None and run.engine.name != "cues":
        yield "## Prompt\n\n" + fenced(run.prompt.text, "yaml")
    yield "## Counts\n\n" + _counts(run, tally)
    yield "## Checks\n\n" + checks_section(tally, facts.check, facts.agreement, facts.probes)
    if media is not None:
        yield "## Media\n\n" + media_section(media)
    yield "## Columns\n\n" + "\n\n".join(_columns(facts))
    yield "## Example\n\n" + _example(facts.example)
    yield "## Limits and responsible use\n\n" + LIMITS + "\n" + (MEDIA_ALONG if facts.has_media else NO_MEDIA)
    yield "## Known biases\n\n" + BIASES
    yield "## Licence\n\n" + licence_section(facts.license_id, media)
    yield "## Citation\n\n" + CITATION


def size_category(num_rows: int) -> str:
    """The Hub's name for a dataset of this many rows."""
    reached = [name for exponent, name in enumerate(_POWERS, start=3) if num_rows >= 10**exponent]
    if not reached:
        return f"n<{_POWERS[0]}"
    if len(reached) == len(_POWERS):
        return f"n>{_POWERS[-1]}"
    return f"{reached[-1]}<n<{_POWERS[len(reached)]}"


def _metadata(facts: CardFacts) -> DatasetCardData:
    configs = [
        {"config_name": name, "data_files": [{"split": "train", "path": files}]}
        | ({"default": True} if name == "captions" else {})
        for name, files in facts.configs.items()
    ]
    return DatasetCardData(
        pretty_name=facts.repo.split("/")[1],
        language="en",
        license=license_tags(facts.license_id, facts.media),
        task_categories=["video-text-to-text", "text-classification"],
        size_categories=size_category(facts.tally.published),
        tags=["emotion", "affective-computing", "audio-visual", "captions", "machine-generated", "vaemo"],
        configs=configs,
    )


def _what_it_is(facts: CardFacts) -> str:
    run, tally = facts.run, facts.tally
    by = "measured cues put into words" if run.engine.name == "cues" else "a multimodal language model"
    captions = "caption" if tally.published == 1 else "captions"
    files = f"With {len(facts.media.files):,} media files." if facts.has_media and facts.media else "**no media**."
    return (
        f"{tally.published:,} English {captions} of short video and audio clips: how people look and sound, and the "
        f"affect this suggests. Written by machine ({by}) with the VAEmo toolkit {inline(run.vaemo_version)}. "
        + (files if facts.has_media else f"Text and numbers only: {files}")
    )


def _loading(facts: CardFacts) -> str:
    told = {
        "verdicts": "who kept or dropped what, and why",
        "rejects": "no caption, and why",
        "media": "files by sha256",
    }
    lines = ["from datasets import load_dataset", "", f'captions = load_dataset("{facts.repo}", split="train")']
    lines += [
        f'{name} = load_dataset("{facts.repo}", "{name}", split="train")  # {told[name]}'
        for name in facts.configs
        if name != "captions"
    ]
    join = "Join the rows with your own copy of the clips by `clip_id`, `path` or `sha256`."
    if facts.has_media:
        lines += [
            "",
            "from huggingface_hub import hf_hub_download",
            "",
            'file_names = dict(zip(media["sha256"], media["file_name"]))  # not of every clip',
            f'file = hf_hub_download("{facts.repo}", file_names[captions[0]["sha256"]], repo_type="dataset")',
        ]
        join = "`sha256` joins captions with `media`; where a file is not there, it joins them with your own copy."
    code_lines = "\n".join(lines)
    verdicts = " `clip_id` and `sample_index` join verdicts and captions." if facts.tally.verdicts else ""
    return f"```python\n{code_lines}\n```\n\n{join}{verdicts}"


def _counts(run: RunRecord, tally: Tally) -> str:
    rows = [
        ("Accepted captions", tally.accepted),
        *((f"Rejected: {code(reason)}", count) for reason, count in sorted(tally.rejects_by_reason.items())),
    ]
    shares = table(
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
    return f"{shares}\n\n{checked}\n\n{spent}"


def _columns(facts: CardFacts) -> Iterator[str]:
    yield columns_table(facts.schema, COLUMN_MEANINGS | dict.fromkeys(facts.columns.speakers, SPEAKER_MEANING))
    if facts.columns.transcripts:
        names = ", ".join(code(name) for name in facts.columns.transcripts)
        yield f"Left out of the source manifest's columns, since it says what is spoken in the clips: {names}."
    if facts.tally.verdicts:
        yield "Of `verdicts`:\n\n" + columns_table(PUBLISHED_SCHEMA, VERDICT_MEANINGS)
    if facts.has_media:
        yield "Of `media`:\n\n" + columns_table(MEDIA_SCHEMA, MEDIA_MEANINGS)


def _example(row: Mapping[str, Any]) -> str:
    names = ["clip_id", *(name for name in DESCRIPTION_SCHEMA.names if row[name] is not None)]
    cells = ((code(name), inline(_shown(row[name]))) for name in names)
    return table(["Column", "Value"], cells)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
