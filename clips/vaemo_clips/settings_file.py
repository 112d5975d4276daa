"""YAML files that people write: prompts and recipes. Every fault is told at once, with its path in the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from vaemo_clips.errors import UserError


def read_mapping(path: Path, kind: type[UserError], noun: str, rule: str) -> dict[str, Any]:
    """Return the mapping in the YAML file `path`, which is a `noun` ("prompt").

    Raises `kind` where it cannot be read, is no YAML, writes a key twice, or holds something else; `rule` says what
    such a file holds.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise kind(f"{noun} {path} cannot be read: {error}; give the path of a {noun} YAML file") from error
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # it is a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a ValueError is a date like 2026-02-30
        raise kind(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise kind(f"{path}: holds a {type(content).__name__}; {rule}")
    return content


def fault_report(path: Path, faults: Sequence[str]) -> str:
    """Return the message of an error: a line for each fault, with the file's name before it."""
    return "\n".join(f"{path}: {fault}" for fault in faults)


def pydantic_faults(error: ValidationError, noun: str) -> list[str]:
    """Return every fault that pydantic found in a `noun`'s file: the path in the file, the rule, the value."""
    return [_pydantic_fault(fault, noun) for fault in error.errors()]


def _pydantic_fault(fault: Any, noun: str) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; remove it or correct its spelling"
    if fault["type"] == "missing":
        return f"{where}: missing; every {noun} file needs it"
    shown = repr(fault["input"])
    return f"{where}: {fault['msg']} (it is {shown if len(shown) <= 60 else shown[:60] + '…'})"


class _UniqueKeyLoader(yaml.SafeLoader):
    """A SafeLoader for which a key written twice is an error instead of a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key_node.start_mark)
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key_node.value!r} is written twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)
