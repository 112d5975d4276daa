"""Files of labels: what each label looks, sounds and feels like, in words, so that clips can be named by them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vaemo_clips.errors import RecipeError
from vaemo_clips.settings_file import fault_report, read_mapping
from vaemo_train.captions.paths import PATHS

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_PATHS_TEXT: Final = ", ".join(PATHS)


@dataclass(frozen=True, slots=True)
class LabelTexts:
    """The `names` of the labels in the file's order; of each path that the file describes, each label's texts."""

    names: tuple[str, ...]
    descriptions: Mapping[str, tuple[tuple[str, ...], ...]]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths in which every label is described."""
        return tuple(self.descriptions)

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts of all paths, each once, sorted."""
        return tuple(sorted({text for path in self.paths for text in self.of_path(path)[0]}))

    def of_path(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The texts (K,) of a path, and the label of each (K,)."""
        pairs = [(text, name) for name, own in zip(self.names, self.descriptions[path], strict=True) for text in own]
        return tuple(text for text, _ in pairs), tuple(name for _, name in pairs)

    def only(self, names: Collection[str]) -> LabelTexts:
        """Those of the labels that are among `names`, in the file's order."""
        kept = [number for number, name in enumerate(self.names) if name in names]
        descriptions = {path: tuple(by_label[i] for i in kept) for path, by_label in self.descriptions.items()}
        return LabelTexts(tuple(self.names[i] for i in kept), descriptions)


def shipped_labels() -> dict[str, Path]:
    """Return the shipped files by name: inside the package where it was installed, beside it in a source tree."""
    for folder in (_PACKAGE / "labels", _PACKAGE.parent / "labels"):
        found = {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem)}
        if found:
            return found
    return {}


def choose_labels(given: str) -> Path:
    """Return the shipped file of this name, else the file at this path. Raises RecipeError where there is neither."""
    shipped = shipped_labels()
    if given in shipped:
        return shipped[given]
    if Path(given).is_file():
        return Path(given)
    names = ", ".join(shipped) or "none, this installation lacks them"
    raise RecipeError(f"--labels {given}: no such file, and no shipped labels; shipped are {names}")


def read_labels(path: Path) -> LabelTexts:
    """Read a YAML mapping of labels to lists of descriptions, or to such lists by path (visual, acoustic, affect).

    A plain list counts for every path. A path must be described for all labels or for none. Line breaks within a
    description are blanks. Raises RecipeError that lists every fault.
    """
    content = read_mapping(path, RecipeError, "labels", "such a file is a mapping of labels to their descriptions")
    faults: list[str] = []
    entries: dict[str, _Entry] = {}
    for key, value in content.items():
        fault = _key_fault(key, entries)
        if fault is None:
            entries[_name(key)] = _entry(_name(key), value, faults)
        else:
            faults.append(fault)
    if len(content) < 2:
        faults.append(f"holds {len(content)} label; there is nothing to choose from below two: add labels")
    faults += [*_uneven_paths(entries), *_repeated(entries)]
    if faults:
        raise RecipeError(fault_report(path, list(dict.fromkeys(faults))))
    described = [one for one in PATHS if any(one in entry for entry in entries.values())]
    return LabelTexts(
        tuple(entries), {one: tuple(tuple(entry[one].values()) for entry in entries.values()) for one in described}
    )


_Entry = dict[str, dict[str, str]]
"""A label's descriptions by path, each by its place in the file."""


def _name(key: str | int) -> str:
    return str(key).strip()


def _key_fault(key: Any, entries: Mapping[str, _Entry]) -> str | None:
    if not isinstance(key, str | int) or isinstance(key, bool):
        return f"{key}: a label must be text (YAML reads it as {type(key).__name__}); put it in quotes"
    if not _name(key):
        return f"{key!r}: a label must not be blank; name it as the clips' label column does"
    return f"{_name(key)}: is written twice; merge both" if _name(key) in entries else None


def _entry(name: str, value: Any, faults: list[str]) -> _Entry:
    if isinstance(value, list):
        texts = _texts(name, value, faults)
        return dict.fromkeys(PATHS, texts)
    if not isinstance(value, dict) or not value:
        faults.append(f"{name}: must be a list of descriptions or a mapping with {_PATHS_TEXT} (it is {_shown(value)})")
        return {}
    entry: _Entry = {}
    for path, own in value.items():
        if path not in PATHS:
            faults.append(f"{name}.{path}: unknown key; a label has {_PATHS_TEXT}")
        elif isinstance(own, list):
            entry[path] = _texts(f"{name}.{path}", own, faults)
        else:
            faults.append(f"{name}.{path}: must be a list of descriptions (it is {_shown(own)})")
            entry[path] = {}
    return entry


def _texts(where: str, listed: list[Any], faults: list[str]) -> dict[str, str]:
    texts = {}
    for number, value in enumerate(listed):
        place = f"{where}[{number}]"
        if not isinstance(value, str):
            faults.append(f"{place}: must be text (it is {_shown(value)}); put it in quotes")
        elif not value.strip():
            faults.append(f"{place}: is blank; write a description or leave it out")
        else:
            texts[place] = " ".join(value.split())
    if not listed:
        faults.append(f"{where}: holds no description; write at least one")
    return texts


def _uneven_paths(entries: Mapping[str, _Entry]) -> Iterator[str]:
    """Where labels are not described in the same paths, a path would choose among some of them only."""
    for path in PATHS:
        with_it = [name for name, entry in entries.items() if path in entry]
        for name, entry in entries.items():
            if entry and with_it and path not in entry:
                yield f"{name}: has no {path} descriptions, but {with_it[0]} has; describe it for all labels or none"


def _repeated(entries: Mapping[str, _Entry]) -> Iterator[str]:
    """A text that two labels share does not tell them apart; twice in one, it counts double."""
    for path in PATHS:
        seen: dict[str, str] = {}
        for entry in entries.values():
            for place, text in entry.get(path, {}).items():
                if text in seen:
                    yield f"{place}: says the same as {seen[text]}; each description belongs to one label, once"
                seen.setdefault(text, place)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
