"""Step templates: Jinja2 in a sandbox, where an unknown name is an error and Python is out of reach."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_RENDERED_CHARS = 200_000


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.globals.clear()
    return environment


@lru_cache(maxsize=256)
def compile_template(source: str) -> Template:
    """Compile a template once. Raises jinja2.TemplateSyntaxError."""
    return _environment().from_string(source)


def render(source: str, values: Mapping[str, Any]) -> str:
    """Render a template with plain values (str, numbers, lists, dicts).

    Raises ValueError with the reason in one line: unknown name, access the sandbox refuses, syntax
    error, wrong type.
    """
    try:
        text = compile_template(source).render(values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"line {line}: " if line else ""
        raise ValueError(f"{where}{error.message or type(error).__name__}") from error
    except (TypeError, ArithmeticError, LookupError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if len(text) > MAX_RENDERED_CHARS:
        raise ValueError(f"renders to {len(text)} characters; the limit is {MAX_RENDERED_CHARS}")
    return text.strip()
