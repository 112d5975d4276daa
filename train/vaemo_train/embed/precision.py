"""Whether products of matrices are in bfloat16."""

from __future__ import annotations

from vaemo_clips.errors import UserError
from vaemo_train.training.environment import has_bf16

PRECISIONS = ("auto", "bf16", "float32")


def resolve_precision(wanted: str) -> bool:
    """Whether to use bfloat16; auto: where the machine has it. Raises UserError for another word, or a lack of it."""
    if wanted not in PRECISIONS:
        raise UserError(f"--precision {wanted}: it must be one of {', '.join(PRECISIONS)}")
    if wanted == "float32":
        return False
    able, where = has_bf16()
    if wanted == "bf16" and not able:
        raise UserError(f"--precision bf16: {where} has no bfloat16; give auto or float32")
    return able
