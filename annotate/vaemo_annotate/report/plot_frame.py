"""The plot area of a chart with two axes: from values to places, and the axes themselves."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from vaemo_annotate.report.svg import WIDTH, label, line, plain, ticks

RIGHT, TOP = 8, 8
_LEFT, _PLOT, _FOOT = 42, 112, 34


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot area of a chart with two axes: from values to places."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    @property
    def height(self) -> float:
        """Of the whole drawing, the texts below the axis included."""
        return float(TOP + _PLOT + _FOOT)

    def x(self, value: float) -> float:
        """Return the place of a value; one outside lies on the edge."""
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return _LEFT + (WIDTH - _LEFT - RIGHT) * min(max(share, 0.0), 1.0)

    def y(self, value: float) -> float:
        """Return the place of a value, upwards."""
        return TOP + _PLOT * (1 - (value - self.y_low) / (self.y_high - self.y_low))

    def axes(self, x_name: str, *, whole_numbers: bool = False) -> list[Markup]:
        """Draw both axes; with `whole_numbers` the upright one counts things."""
        base = self.y(self.y_low)
        heights = [y for y in ticks(self.y_low, self.y_high, 4) if not whole_numbers or y == round(y)]
        drawn = [line(_LEFT, self.y(y), WIDTH - RIGHT, self.y(y), "rule") for y in heights]
        drawn += [label(plain(y), _LEFT - 6, self.y(y) + 4, "end") for y in heights]
        drawn.append(line(_LEFT, base, WIDTH - RIGHT, base, "base"))
        for x in ticks(self.x_low, self.x_high, 5):
            anchor = "end" if self.x(x) > WIDTH - RIGHT - 12 else "middle"
            drawn.append(label(plain(x), self.x(x), base + 14, anchor))
        drawn.append(label(x_name, (_LEFT + WIDTH - RIGHT) / 2, base + 29, "middle", "axis"))
        return drawn
