"""The files of a caption dataset repository, made from a run folder: tables, card, prompt, media that may go along."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_annotate.card import CardFacts, render_card
from vaemo_annotate.published.card_media import licence_notes
from vaemo_annotate.published.checks import CHECK_FILE, read_ablation, read_check
from vaemo_annotate.published.media import MEDIA_SCHEMA, MediaChoice, choose_media, media_table
from vaemo_annotate.published.people import PublicColumns
from vaemo_annotate.published.run import Tally, read_run
from vaemo_annotate.published.tables import (
    BATCH_ROWS,
    batches,
    check_counts,
    first_row,
    open_dataset,
    open_rejects,
    shorten_paths,
    write_parquet,
)
from vaemo_annotate.published.verdicts import PUBLISHED_SCHEMA, Judgements, pseudonyms, verdict_tables
from vaemo_clips.caption import caption_schema
from vaemo_clips.errors import RunFolderError
from vaemo_clips.hub.upload import HubFile


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """What is going to be pushed.

    `names` are the pseudonyms in it by people's names, `columns` those of the source manifest, `notes` what a user must
    know.
    """

    files: tuple[HubFile, ...]
    card: str
    tally: Tally
    shortened: dict[str, int]
    media: MediaChoice | None
    names: dict[str, str]
    columns: tuple[str, ...]
    notes: tuple[str, ...]


def stage_publication(out: Path, stage: Path, repo: str, license_id: str | None, with_media: bool) -> Publication:
    """Write every file of the repository but media into `stage`, and say what it is.

    Raises RunFolderError for no finished run, columns that can hold media, absolute paths, stale verdicts or nothing
    to publish, CaptionError for verdicts that cannot be read, UserError for media without a column of licences.
    """
    run = read_run(out)
    accepted = open_dataset(out / "dataset", caption_schema([]))
    rejected = open_rejects(out / "rejects", accepted, run)
    check_counts(out, run, accepted, rejected)
    judgements, shortened, clip_ids = Judgements.read(out), Counter[str](), set[str]()

    data = stage / "data"
    data.mkdir()
    columns = PublicColumns.of(accepted)
    schema, reject_schema = columns.schema(accepted), columns.schema(rejected)
    captions = _noting(judgements.kept(columns.public(batches(accepted), schema)), clip_ids)
    caption_files = write_parquet(data, "accepted", schema, shorten_paths(captions, shortened))
    judgements.refuse_stale(out)
    write_parquet(
        data, "rejects", reject_schema, shorten_paths(columns.public(batches(rejected), reject_schema), shortened)
    )
    verdicts = judgements.present()
    names = pseudonyms(out, verdicts)
    write_parquet(data, "verdicts", PUBLISHED_SCHEMA, verdict_tables(verdicts, judgements.decided, names, BATCH_ROWS))

    tally = _tally(accepted, rejected, judgements, len(verdicts))
    if not caption_files:
        raise RunFolderError(
            f"{out} holds no caption to push: {tally.accepted} accepted, {tally.dropped} of them dropped; "
            "see the rejects and the verdicts"
        )
    media = choose_media(out, clip_ids) if with_media else None
    if media is not None:
        write_parquet(data, "media", MEDIA_SCHEMA, media_table(media.files))
    ablation, left_out = read_ablation(out, run.engine.model)
    facts = CardFacts(
        repo, license_id, run, tally, reject_schema if len(rejected) else schema, first_row(caption_files[0]),
        read_check(out) if verdicts else None, ablation, judgements.agreement(), media, columns,
    )  # fmt: skip
    card = render_card(facts)
    _write_texts(stage, facts, card)
    notes = (*_notes(tally, facts), *filter(None, [left_out]), *(licence_notes(license_id, media) if media else ()))
    return Publication(_files(stage, media), card, tally, dict(shortened), media, names, columns.columns, notes)


def _noting(tables: Iterator[pa.Table], clip_ids: set[str]) -> Iterator[pa.Table]:
    """Pass tables on, and note the clips in them."""
    for table in tables:
        clip_ids.update(table["clip_id"].to_pylist())
        yield table


def _tally(accepted: Any, rejected: Any, judgements: Judgements, verdicts: int) -> Tally:
    reasons = Counter(reason or "unknown" for reason in rejected["reject_reason"])
    counts = judgements.counts
    return Tally(
        len(accepted), counts["drop"], counts["fixed"], reasons,
        unchecked=counts["unchecked"], verdicts=verdicts, strange=len(judgements.verdicts) - verdicts,
    )  # fmt: skip


def _notes(tally: Tally, facts: CardFacts) -> Iterator[str]:
    if tally.unchecked == tally.accepted:
        yield "these captions were never checked, and the card says so; run `vaemo-annotate check` before the push"
    elif tally.unchecked:
        yield f"{tally.unchecked:,} of {tally.accepted:,} captions were not checked; run `vaemo-annotate check` again"
    if tally.strange:
        yield f"{tally.strange:,} verdicts are on captions that this run does not hold; they are left out"
    if facts.columns.transcripts:
        yield f"manifest column {', '.join(facts.columns.transcripts)} says what is spoken in the clips: it is left out"
    if facts.run.prompt.is_cut:
        yield "the prompt named folders, hosts or keys, which are cut; its SHA-256 is still that of the whole"


def _write_texts(stage: Path, facts: CardFacts, card: str) -> None:
    (stage / "README.md").write_text(card, encoding="utf-8")
    (stage / "run.json").write_text(facts.run.to_json(), encoding="utf-8")
    if facts.run.prompt.text is not None:
        (stage / "prompt.yaml").write_text(facts.run.prompt.text, encoding="utf-8")
    if facts.check is not None:
        (stage / CHECK_FILE).write_text(facts.check.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _files(stage: Path, media: MediaChoice | None) -> tuple[HubFile, ...]:
    paths = sorted(path for path in stage.rglob("*") if path.is_file())
    files = [HubFile(path.relative_to(stage).as_posix(), path) for path in paths]
    along = media.files if media else ()
    return (*files, *(HubFile(file.path, file.source, file.sha256, file.licence.name) for file in along))
