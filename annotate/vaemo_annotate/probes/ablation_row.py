"""One caption held against what was said when a modality was taken away, and the flags that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vaemo_annotate.engines.base import Caption, Outcome
from vaemo_annotate.probes.ablated_media import Kind
from vaemo_annotate.probes.statement import COLUMN, Said, said
from vaemo_annotate.quality.lexicon import Modality

LOST: Mapping[Kind, Modality] = {"muted": "voice", "blank": "face", "swapped": "voice"}
REASONS: Mapping[Kind, tuple[str, ...]] = {
    "muted": ("ablation.sound_invented",),
    "blank": ("ablation.picture_invented", "ablation.picture_ignored"),
    "swapped": ("ablation.sound_ignored",),
}
ROW_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("sample_index", pa.int32()),
        ("corpus", pa.string()),
        ("kind", pa.string()),
        ("donor", pa.string()),
        ("claims_before", pa.list_(pa.string())),
        ("claims_after", pa.list_(pa.string())),
        ("judged", pa.list_(pa.string())),
        ("flags", pa.list_(pa.string())),
        ("texts", pa.struct([("before", pa.string()), ("after", pa.string())])),
        ("reject_reason", pa.string()),
        ("caption_sha256", pa.string()),
    ]
)
"""One row a clip and kind. `judged` are the reasons that could be decided, `flags` those of them that hold; claims are
"aspect:direction" of the lost modality; `caption_sha256` tells which caption it was (`caption_digest`)."""


@dataclass(frozen=True, slots=True)
class AblationRow:
    """What one kind of loss did to one caption, by the columns of ROW_SCHEMA."""

    clip_id: str
    sample_index: int
    corpus: str
    kind: Kind
    donor: str | None
    claims_before: Sequence[str]
    claims_after: Sequence[str]
    judged: Sequence[str]
    flags: Sequence[str]
    texts: Mapping[str, str]
    reject_reason: str | None
    caption_sha256: str

    @property
    def survivors(self) -> int:
        """Return how many of the statements before speak of an aspect that is spoken of after, too."""
        after = {label.partition(":")[0] for label in self.claims_after}
        return sum(label.partition(":")[0] in after for label in self.claims_before)


def said_in(modality: Modality, fields: Mapping[str, Any]) -> Said:
    """Read what a caption says of a modality: its own description, and the integrated one."""
    return said(modality, fields.get(COLUMN[modality]), [fields.get("affect_description") or ""])


def compare(
    kind: Kind, caption: Mapping[str, Any], outcome: Outcome, donor: Mapping[str, Any] | None, corpus: str, digest: str
) -> AblationRow:
    """Hold a caption (a row of the dataset) against the outcome without the modality; `donor` gave the sound."""
    lost = LOST[kind]
    before, after = said_in(lost, caption), Said("", (), False, False)
    flags: dict[str, bool] = {}
    if isinstance(outcome, Caption):
        after = said_in(lost, outcome.fields)
        flags = _flags(kind, before, after, said_in(lost, donor) if donor else None)
    return AblationRow(
        caption["clip_id"], caption["sample_index"], corpus, kind, donor["clip_id"] if donor else None,
        before.statements, after.statements, sorted(flags), sorted(name for name, holds in flags.items() if holds),
        {"before": before.text, "after": after.text}, None if isinstance(outcome, Caption) else outcome.reason, digest,
    )  # fmt: skip


def _flags(kind: Kind, before: Said, after: Said, donor: Said | None) -> dict[str, bool]:
    """Return, by reason, whether it holds; reasons that cannot be decided are left out."""
    same_words = before.same_words(after)
    same = same_words or (bool(before.statements) and before.statements == after.statements)
    invented = bool(after.statements) or (same_words and not after.is_denied)
    match kind:
        case "muted":
            return {"ablation.sound_invented": invented}
        case "blank":
            return {"ablation.picture_invented": invented, "ablation.picture_ignored": same}
        case "swapped":
            # What is said of both sounds alike in their own captions may well be true of both.
            alike = donor is not None and bool(donor.statements) and donor.statements == before.statements
            return {} if alike and not same_words else {"ablation.sound_ignored": same}
