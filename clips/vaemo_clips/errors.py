"""The error tree of the toolkit.

A message says what is wrong, where, which value, the rule, and the remedy, in one line.

    VaemoError
    ├── UserError            the user can mend it; a command prints it and exits 2
    │   ├── ManifestError    a clip source or manifest that cannot be used
    │   ├── PromptError      a prompt file that cannot be used (all its faults at once)
    │   ├── RunFolderError   an output folder that belongs to another run, or holds none
    │   ├── ServerError      a model server or Hub that is not there or not what was asked for
    │   ├── FigureError      a figure, or a file of numbers, that cannot be written as asked for
    │   ├── FaceModelError   a face network's file that is missing or wrong
    │   ├── ShardError       training shards that are missing, damaged or of another version
    │   ├── CaptionError     captions that cannot be used: none found, of unknown clips, of a schema of the future
    │   ├── RecipeError      a training recipe that cannot be used (all its faults at once)
    │   ├── CheckpointError  a checkpoint that cannot be read or saved, or is of another kind
    │   ├── TrainingError    a training that cannot go on: a loss that is no number, data that do not suffice
    │   ├── TextModelError   a text encoder that is missing or cannot be used, or embeddings of another one
    │   ├── SplitError       folds that share a speaker, or have too few clips
    │   └── MissingExtraError  an optional dependency that is not installed
    └── MediaError           one file or segment that cannot be used; becomes a typed reject
"""

from __future__ import annotations


class VaemoError(Exception):
    """Root of every error that the toolkit raises on purpose."""


class UserError(VaemoError):
    """A mistake that the user can mend; commands print it as one line and exit 2."""


class ManifestError(UserError):
    """A clip source or a clip manifest that cannot be used."""


class PromptError(UserError):
    """A prompt file that cannot be used; the message lists every fault with its path in the file."""


class RunFolderError(UserError):
    """An output folder that belongs to another run, is in use, or holds no run."""


class ServerError(UserError):
    """A model server or Hub that cannot be reached or does not serve what was asked for."""


class FigureError(UserError):
    """A figure, or a file of numbers, that cannot be written as it was asked for."""


class FaceModelError(UserError):
    """A face network's file that is missing, cannot be fetched or is not the pinned one."""


class ShardError(UserError):
    """Training shards that are missing, damaged, or of another version."""


class CaptionError(UserError):
    """Captions that cannot be used: none found, unfinished, damaged, of unknown clips, or of a later schema."""


class RecipeError(UserError):
    """A training recipe that cannot be used; the message lists every fault with its path in the file."""


class CheckpointError(UserError):
    """A checkpoint that cannot be read or saved, or that is of another kind of model."""


class TrainingError(UserError):
    """A training that cannot go on: a loss that is no number, or data that do not suffice."""


class TextModelError(UserError):
    """A text encoder that is not there or cannot be used, or stored embeddings of another one."""


class SplitError(UserError):
    """Folds that share a speaker, or that have too few clips to train or to test on."""


class MissingExtraError(UserError):
    """An optional dependency that is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed; it comes with: pip install 'vaemo[{extra}]'")


class MediaError(VaemoError):
    """A file or segment that cannot be used; `reason` is its typed reject."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        return (MediaError, (self.reason, self.detail))
