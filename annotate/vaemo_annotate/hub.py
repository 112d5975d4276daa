"""Push the captions of a finished run to the Hugging Face Hub, and media whose licence allows it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from vaemo_annotate.card import CAPTION_FILES, MEDIA_FILES, REJECT_FILES, VERDICT_FILES
from vaemo_annotate.publication import stage_publication
from vaemo_annotate.published.checks import CHECK_FILE
from vaemo_annotate.published.media import FOLDER, LeftOut
from vaemo_annotate.published.run import Tally
from vaemo_annotate.published.verdicts import remember_pseudonyms
from vaemo_clips.hub.destination import Destination, check_license, hub_token
from vaemo_clips.hub.upload import Pushed, PushedFile, upload

_OWNED = (CAPTION_FILES, REJECT_FILES, VERDICT_FILES, MEDIA_FILES, f"{FOLDER}/*", CHECK_FILE, "prompt.yaml")
"""Files that a later push may remove."""


@dataclass(frozen=True, slots=True)
class PushResult:
    """What was pushed, or in a dry run what would be.

    `private` is what was asked for. `pushed` is None in a dry run. The note of a media file is its licence; `left_out`
    are those that stay here.
    `columns` are those of the source manifest that are published.
    `shortened` counts, by column, the texts that named folders or hosts and were cut; `notes` are for the user.
    """

    repo: str
    url: str
    private: bool
    files: tuple[PushedFile, ...]
    left_out: tuple[LeftOut, ...]
    card: str
    tally: Tally
    shortened: dict[str, int]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    pushed: Pushed | None

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


def push(
    out: Path,
    repo: str,
    *,
    private: bool,
    dry_run: bool,
    license_id: str | None = None,
    with_media: bool = False,
) -> PushResult:
    """Push the run folder `out` to the dataset repository `repo` in one commit: kept captions, verdicts, rejects.

    The repository is made where there is none; what an earlier push left is replaced (all below `media/` too), files
    of other names stay. A dry run makes the same files and contacts nobody. The token is that of the usual Hub login,
    the Hub is HF_ENDPOINT. With media, files go along whose licence in the manifest allows it, see `choose_media`.

    Raises UserError (repo or licence name, no column of licences), RunFolderError (no run, an unfinished run, stale
    verdicts, columns of bytes or an absolute `path` in it), CaptionError (verdicts) or ServerError (no token, or a
    Hub that refuses or cannot be reached).
    """
    to = Destination(repo, "dataset", private)
    check_license(license_id)
    if not dry_run:
        hub_token()  # better missed now than after all files are made
    with tempfile.TemporaryDirectory(prefix="vaemo-push-") as name:
        found = stage_publication(out, Path(name), repo, license_id, with_media)
        files = tuple(file.listed() for file in found.files)
        pushed = None
        if not dry_run:
            remember_pseudonyms(out, found.names)
            pushed = upload(found.files, to, owned=_OWNED, message="Push captions with the VAEmo toolkit")
    left_out = found.media.left_out if found.media else ()
    return PushResult(
        repo, to.url, private, files, left_out, found.card, found.tally, found.shortened, found.columns, found.notes,
        pushed,
    )  # fmt: skip
