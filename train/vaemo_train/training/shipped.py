"""The recipes that come with the toolkit, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vaemo_clips.errors import RecipeError

_PACKAGE: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class RecipeChoice:
    """A recipe's file, and the words that tell the user which one it is."""

    path: Path
    words: str


def shipped_recipes(stage: str = "stage1") -> dict[str, Path]:
    """Return the shipped recipes of a stage by name: inside an installed package, beside it in a source tree."""
    for folder in (_PACKAGE / "recipes", _PACKAGE.parent / "recipes"):
        found = {path.stem: path for path in sorted(folder.glob(f"{stage}*.yaml"), key=lambda path: path.stem)}
        if found:
            return found
    return {}


def choose_recipe(given: str | None, stage: str = "stage1") -> RecipeChoice:
    """Return the stage's shipped recipe of this name, else the file at this path; given None, what suits the machine.

    Raises RecipeError, which lists the shipped ones, where there is neither.
    """
    if given is None:
        return _suited(stage)
    shipped = shipped_recipes(stage)
    if given in shipped:
        return RecipeChoice(shipped[given], f"recipe: {given}")
    if Path(given).is_file():
        return RecipeChoice(Path(given), f"recipe: {given}")
    names = ", ".join(shipped) or "none, this installation lacks them"
    raise RecipeError(f"--recipe {given}: no such file, and no shipped recipe; shipped are {names}")


def _suited(stage: str) -> RecipeChoice:
    import torch

    has_gpu = torch.cuda.is_available()
    name, why = (stage, "a CUDA device is there") if has_gpu else (f"{stage}-cpu", "no CUDA device")
    return RecipeChoice(choose_recipe(name, stage).path, f"recipe: {name} ({why}; --recipe takes another)")
