"""Reading a recipe: the YAML file, --set, and every fault of both at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from vaemo_clips.errors import RecipeError
from vaemo_clips.settings_file import fault_report, pydantic_faults, read_mapping
from vaemo_train.training.recipe import TrainingRecipe

Recipe = TypeVar("Recipe", bound=TrainingRecipe)


def load_recipe(kind: type[Recipe], path: Path, settings: Sequence[str] = (), num_processes: int = 1) -> Recipe:
    """Read a recipe file of a stage, with the values of --set `settings` (KEY=VALUE, VALUE as YAML) in their place.

    Raises RecipeError that lists every fault: unknown keys, values out of range, and settings that contradict each
    other on `num_processes` processes.
    """
    content = read_mapping(path, RecipeError, "recipe", "a recipe is a mapping with 'model', 'length', …")
    faults = [fault for setting in settings if (fault := _apply(content, setting))]
    recipe, form_faults, broken = _validate(kind, content)
    faults += form_faults
    faults += [found.text for found in recipe.contradictions(num_processes) if not found.rests_on(broken)]
    if faults:
        raise RecipeError(fault_report(path, faults))
    return recipe


def recipe_text(recipe: TrainingRecipe) -> str:
    """Return the resolved recipe as YAML that `load_recipe` reads; what is the stage's own comes first."""
    shared = TrainingRecipe.model_fields
    content = recipe.model_dump(mode="json")
    ordered = {name: content[name] for name in sorted(content, key=lambda name: name in shared)}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True)


def _apply(content: dict[str, Any], setting: str) -> str | None:
    """Put one --set into the content; return its fault, if it has one."""
    key, equals, value = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        return f"--set {setting}: must read KEY=VALUE, as optim.base_lr=0.0003"
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        return f"--set {setting}: the value is not valid YAML: {' '.join(str(error).split())}"
    section = content
    for number, part in enumerate(parts[:-1], 1):
        below = section.get(part)
        if below is None:
            below = section[part] = {}
        if not isinstance(below, dict):
            return f"--set {setting}: {'.'.join(parts[:number])} has no keys below it"
        section = below
    section[parts[-1]] = parsed
    return None


_Place = tuple[str | int, ...]


def _validate(recipe_kind: type[Recipe], content: dict[str, Any]) -> tuple[Recipe, list[str], set[_Place]]:
    """Return the recipe without its broken settings, their faults, and where they are."""
    try:
        return recipe_kind.model_validate(content), [], set()
    except ValidationError as error:
        places = [tuple(fault["loc"]) for fault in error.errors()]
        faults = [
            _with_hint(recipe_kind, text, place, kind)
            for text, place, kind in zip(
                pydantic_faults(error, "recipe"), places, [fault["type"] for fault in error.errors()], strict=True
            )
        ]
        for place in places:
            _remove(content, place)
        recipe, _, _ = _validate(recipe_kind, content)
        return recipe, list(dict.fromkeys(faults)), set(places)


def _with_hint(recipe_kind: type[TrainingRecipe], fault: str, place: _Place, kind: str) -> str:
    """Add the names that an unknown key may have meant."""
    if kind != "extra_forbidden":
        return fault
    words = recipe_kind.unknown_key(place)
    if words is not None:
        return f"{'.'.join(map(str, place))}: {words}"
    section: type[BaseModel] = recipe_kind
    for part in place[:-1]:
        below = section.model_fields[str(part)].annotation
        if not (isinstance(below, type) and issubclass(below, BaseModel)):
            return fault
        section = below
    return fault + did_you_mean(str(place[-1]), section.model_fields)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the known names that are like this one, else all of them, as the end of a sentence."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.6) or [other for other in names if name in other][:2]
    return f"; did you mean {' or '.join(close)}?" if close else f"; known are {', '.join(sorted(names))}"


def _remove(content: Any, place: _Place) -> None:
    """Take away the deepest part of `place` that is in the content; a fault inside a list takes the list."""
    for number, part in enumerate(place):
        below = content.get(part) if isinstance(content, dict) else None
        if not isinstance(below, dict) or number == len(place) - 1:
            if isinstance(content, dict):
                content.pop(part, None)
            return
        content = below
