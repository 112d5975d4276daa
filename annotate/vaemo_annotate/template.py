"""Step templates: Jinja2 in a sandbox, where an unknown name is an error and Python is out of reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, Undefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_RENDERED_CHARS = 200_000
_MAX_POWER_BITS = 4_096
_PADDING = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "translate"})
_PADDING_FILTERS = ("center", "indent", "batch", "slice", "tojson")
_MAX_PADDING = 1_000


class _Sandbox(ImmutableSandboxedEnvironment):
    """Besides Python, memory is out of reach: what makes long text out of a short expression is refused."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise SecurityError("'%' does not format strings here; use the round filter and '~'")
        if operator == "**" and isinstance(left, int) and left.bit_length() * abs(right) > _MAX_POWER_BITS:
            raise SecurityError(f"a power is above {_MAX_POWER_BITS} bits")
        if operator == "*" and (_length(left) * right if _length(left) else _length(right) * left) > MAX_RENDERED_CHARS:
            raise SecurityError(f"'*' repeats something to more than {MAX_RENDERED_CHARS} characters")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and not (isinstance(obj, str) and attr in _PADDING)

    def wrap_str_format(self, value: Any) -> None:
        """Leave `str.format` to `is_safe_attribute`, which refuses it: a format can pad without bound."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Prefer a reply's field to a dict's method, as in `look.items`."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _bounded(pad: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that refuses to pad by more than `_MAX_PADDING`."""

    @wraps(pad)
    def bounded(*arguments: Any, **options: Any) -> Any:
        for width in (*arguments[1:], *options.values()):
            if isinstance(width, int) and width > _MAX_PADDING:
                raise SecurityError(f"the width {width} is above {_MAX_PADDING}")
        return pad(*arguments, **options)

    return bounded


def _plain(value: Any) -> Any:
    """Refuse what prints as an address in memory: it would make every run ask anew."""
    if value is None or isinstance(value, str | int | float | list | tuple | dict | Undefined):
        return value
    raise SecurityError(f"a {type(value).__name__} is no text; name a field, or end a chain of filters with join")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = _Sandbox(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=_plain
    )
    environment.globals.clear()
    environment.filters.pop("format")
    environment.filters |= {name: _bounded(environment.filters[name]) for name in _PADDING_FILTERS}
    return environment


@lru_cache(maxsize=256)
def compile_template(source: str) -> Template:
    """Compile a template once. Raises jinja2.TemplateSyntaxError."""
    return _environment().from_string(source)


def render(source: str, values: Mapping[str, Any]) -> str:
    """Render a template with plain values (str, numbers, lists, dicts).

    Raises ValueError with the reason in one line: unknown name, access the sandbox refuses, syntax
    error, wrong type, too long a text.
    """
    parts: list[str] = []
    length = 0
    try:
        for part in compile_template(source).generate(values):
            parts.append(part)
            length += len(part)
            if length > MAX_RENDERED_CHARS:
                raise ValueError(f"renders to more than {MAX_RENDERED_CHARS} characters")
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"line {line}: " if line else ""
        raise ValueError(f"{where}{error.message or type(error).__name__}") from error
    except (TypeError, ArithmeticError, LookupError, AttributeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return "".join(parts).strip()
