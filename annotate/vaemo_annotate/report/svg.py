"""SVG elements as text: every attribute and every text is escaped here, so that no caption can become markup."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

WIDTH = 360
"""Of every chart, in its own units; about a phone's width in CSS px, so that texts keep their size everywhere."""


def element(name: str, *children: Markup | str, **attributes: object) -> Markup:
    """Return <name attributes>children</name>; `class_` is class, other underscores are hyphens."""
    parts = [f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"' for key, value in attributes.items()]
    inside = Markup("").join(children)  # join escapes what is no Markup
    return Markup(f"<{name}{''.join(parts)}>{inside}</{name}>")


def drawing(title: str, description: str, height: float, children: Iterable[Markup]) -> Markup:
    """Return an <svg> that a screen reader reads as `title`, `description`."""
    about = f"{title}: {description}"
    return element("svg", *children, role="img", aria_label=about, **{"viewBox": f"0 0 {WIDTH} {_text(height)}"})


def label(text: object, x: float, y: float, anchor: str = "start", class_: str = "tick") -> Markup:
    """Return a text whose baseline is at y; anchor: start, middle or end."""
    return element("text", str(text), x=x, y=y, text_anchor=anchor, class_=class_)


def bar(x: float, y: float, width: float, height: float, class_: str, tip: str) -> Markup:
    """Return a rectangle that tells `tip` under the pointer."""
    return element(
        "rect", element("title", tip), x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=class_
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers in [low, high], about so many: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def extent(values: Sequence[float], *, from_zero: bool = False) -> tuple[float, float]:
    """Round limits that hold all values, never of no width."""
    low, high = min(values), max(values)
    if from_zero:
        low = min(low, 0.0)
    margin = (high - low) * 0.08 or max(abs(high) * 0.1, 0.05)
    return (low if from_zero and low == 0 else low - margin), high + margin


def plain(value: float) -> str:
    """A number for people: thousands apart, no more digits than tell something."""
    if abs(value) >= 1000 or float(value).is_integer():
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
