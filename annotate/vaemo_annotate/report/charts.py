"""Charts as inline SVG, each with a title, a sentence for those who do not see it, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vaemo_annotate.report.plot_frame import RIGHT, TOP, Frame
from vaemo_annotate.report.svg import WIDTH, bar, drawing, element, extent, label, line, plain
from vaemo_annotate.report.tallies import Grid, Histogram

_NAMES_WIDTH = 122
_DIGIT = 6.6
_ROW = 19


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart; `svg` is None where there is nothing to draw, and `note` then says why."""

    title: str
    svg: Markup | None
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Parts of stacked bars: what it is called and its CSS class."""

    name: str
    class_: str


def bars(title: str, items: Sequence[tuple[str, float]], what: str, note: str = "", whole: float = 0) -> Figure:
    """Horizontal bars, one a name; with `whole`, shares of it stand beside the counts."""
    if not items:
        return Figure(title, None, note=note or "nothing to show")
    top = max(max(value for _, value in items), 1e-9)
    room = _room(_with_share(value, whole) for _, value in items)
    drawn = []
    for index, (name, value) in enumerate(items):
        y = index * _ROW
        told = _with_share(value, whole)
        drawn += [
            _name(name, y),
            bar(_NAMES_WIDTH, y + 3, room * value / top, _ROW - 6, "mark", f"{name}: {told}"),
            label(told, WIDTH, y + 14, "end", "value"),
        ]
    listed = ", ".join(f"{name} {plain(value)}" for name, value in items[:12])
    svg = drawing(title, f"{what} by name: {listed}", len(items) * _ROW + 2.0, drawn)
    rows = [(name, plain(value), *([f"{value / whole:.1%}"] if whole else [])) for name, value in items]
    return Figure(title, svg, ("", what, *(["share"] if whole else [])), rows, note)


def stacked_bars(
    title: str, items: Sequence[tuple[str, Sequence[float]]], series: Sequence[Series], note: str = ""
) -> Figure:
    """Horizontal bars of equal length, one a name, cut into shares; the total stands beside each."""
    if not items:
        return Figure(title, None, note=note or "nothing to show")
    room = _room(plain(sum(values)) for _, values in items)
    drawn = []
    for index, (name, values) in enumerate(items):
        y, x, whole = index * _ROW, float(_NAMES_WIDTH), sum(values)
        drawn.append(_name(name, y))
        for part, value in zip(series, values, strict=True):
            width = room * value / whole if whole else 0.0
            tip = f"{name}, {part.name}: {_with_share(value, whole)}"
            drawn.append(bar(x, y + 3, width, _ROW - 6, part.class_, tip))
            x += width
        drawn.append(label(plain(whole), WIDTH, y + 14, "end", "value"))
    told = "; ".join(
        f"{name}: " + ", ".join(f"{part.name} {plain(value)}" for part, value in zip(series, values, strict=True))
        for name, values in items
    )
    svg = drawing(title, told, len(items) * _ROW + 2.0, drawn)
    rows = [(name, *(plain(value) for value in values)) for name, values in items]
    return Figure(title, svg, ("", *(part.name for part in series)), rows, note)


def histogram(title: str, counted: Histogram, unit: str, note: str = "") -> Figure:
    """Upright bars over equal bins, the mean as a line."""
    if not counted.count:
        return Figure(title, None, note=note or "no caption gives one")
    edges, top = counted.edges(), max(counted.counts)
    high = extent([float(top)], from_zero=True)[1]
    frame = Frame(counted.low, counted.high, 0.0, high)
    drawn = frame.axes(unit, whole_numbers=True)
    for low, next_low, count in zip(edges, edges[1:], counted.counts, strict=False):
        x, y = frame.x(low), frame.y(count)
        tip = f"{plain(low)} to {plain(next_low)}: {count:,}"
        drawn.append(bar(x + 0.5, y, frame.x(next_low) - x - 1, frame.y(0) - y, "mark", tip))
    mean = counted.mean or 0.0
    drawn.append(line(frame.x(mean), TOP, frame.x(mean), frame.y(0), "mean"))
    missing = f"; {counted.missing:,} without" if counted.missing else ""
    told = f"mean {plain(round(mean, 3))}, n = {counted.count:,}{missing}"
    svg = drawing(title, f"{unit}: {told}", frame.height, drawn)
    rows = [
        (f"{plain(low)} to {plain(high)}", f"{count:,}")
        for low, high, count in zip(edges, edges[1:], counted.counts, strict=False)
        if count
    ]
    return Figure(title, svg, (unit, "count"), rows, f"{told}. {note}".strip())


def grid(title: str, counted: Grid, x_name: str, y_name: str, note: str = "") -> Figure:
    """Counts over [-1, 1] x [-1, 1] as squares; the fuller, the stronger."""
    top = max(max(row) for row in counted.counts)
    if not top:
        return Figure(title, None, note=note or "no caption gives both")
    side, left, cells = 268.0, 52.0, counted.bins
    step = side / cells
    drawn = [element("rect", x=left, y=4.0, width=side, height=side, class_="panel")]
    rows = []
    for row, counts in enumerate(counted.counts):
        for column, count in enumerate(counts):
            if count:
                x, y = left + column * step, 4 + side - (row + 1) * step
                low_x, low_y = 2 * column / cells - 1, 2 * row / cells - 1
                ends_x, ends_y = low_x + 2 / cells, low_y + 2 / cells
                where = f"{x_name} {low_x:+.1f} to {ends_x:+.1f}, {y_name} {low_y:+.1f} to {ends_y:+.1f}"
                drawn.append(_square(x, y, step, (count / top) ** 0.5, f"{where}: {count:,}"))
                rows.append((where, f"{count:,}"))
    middle = side / 2
    drawn += [
        line(left + middle, 4, left + middle, 4 + side, "zero"),
        line(left, 4 + middle, left + side, 4 + middle, "zero"),
        *(label(text, left - 6, y, "end") for text, y in (("+1", 14.0), ("0", 8 + middle), ("−1", 4 + side))),
        *(
            label(text, x, 20 + side, "middle")
            for text, x in (("−1", left + 4), ("0", left + middle), ("+1", left + side - 6))
        ),
        label(x_name, left + middle, 36 + side, "middle", "axis"),
        element(
            "text", y_name, class_="axis", text_anchor="middle", transform=f"translate(14 {4 + middle}) rotate(-90)"
        ),
    ]
    shown = sum(map(sum, counted.counts))
    missing = f", {counted.missing:,} without" if counted.missing else ""
    told = f"n = {shown:,}{missing}; the fullest square holds {top:,}"
    svg = drawing(title, told, side + 42, drawn)
    return Figure(title, svg, ("square", "captions"), rows[:400], f"{told}. {note}".strip())


def run_line(
    title: str, xs: Sequence[float], ys: Sequence[float | None], unit: str, note: str = "", *, from_zero: bool = False
) -> Figure:
    """One value over the course of a run; a gap where there is none, the mean dashed.

    Unless `from_zero`, the axis spans what the values span, yet no less than a fifth of their mean: noise stays small.
    """
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
    if not points:
        return Figure(title, None, note=note or "not known of this run")
    values = [y for _, y in points]
    mean = sum(values) / len(values)
    low, high = extent([*values, mean * 0.9, mean * 1.1], from_zero=from_zero)
    frame = Frame(0.0, max(xs[-1] + xs[0], 1.0), low, high)
    drawn = frame.axes("captions and rejects, in the order made")
    drawn.append(line(frame.x(0), frame.y(mean), WIDTH - RIGHT, frame.y(mean), "mean"))
    drawn += [_path(frame, stretch) for stretch in _stretches(xs, ys)]
    drawn += [
        element(
            "circle",
            element("title", f"{plain(round(x))}: {plain(y)} {unit}"),
            cx=frame.x(x),
            cy=frame.y(y),
            r=2.6,
            class_="dot",
        )
        for x, y in points
    ]
    told = (
        f"from {plain(values[0])} to {plain(values[-1])} {unit}, between {plain(min(values))} and {plain(max(values))}"
    )
    svg = drawing(title, told, frame.height, drawn)
    rows = [(plain(round(x)), "–" if y is None else plain(y)) for x, y in zip(xs, ys, strict=True)]
    return Figure(title, svg, ("at", unit), rows, note or unit)


def _stretches(xs: Sequence[float], ys: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """Cut a line where values are missing."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if y is None:
            stretches.append([])
        else:
            stretches[-1].append((x, y))
    return [stretch for stretch in stretches if len(stretch) > 1]


def _path(frame: Frame, points: Sequence[tuple[float, float]]) -> Markup:
    places = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    return element("polyline", points=places, class_="course")


def _square(x: float, y: float, side: float, strength: float, tip: str) -> Markup:
    opacity = round(0.12 + 0.88 * strength, 3)
    return element(
        "rect",
        element("title", tip),
        x=x,
        y=y,
        width=side - 0.6,
        height=side - 0.6,
        class_="mark",
        fill_opacity=opacity,
    )


def _room(values: Iterable[str]) -> float:
    """How wide the longest bar may be beside these values."""
    return WIDTH - _NAMES_WIDTH - 10 - _DIGIT * max(map(len, values))


def _name(name: str, y: float) -> Markup:
    shown = name if len(name) <= 20 else name[:19] + "…"
    return element(
        "text", element("title", name), shown, x=_NAMES_WIDTH - 8, y=y + 14.0, text_anchor="end", class_="name"
    )


def _with_share(value: float, whole: float) -> str:
    return f"{plain(value)} · {value / whole:.0%}" if whole else plain(value)
