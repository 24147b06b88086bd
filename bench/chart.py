"""Line charts as SVG, written by hand: the same bytes for the same numbers, no library.

Colours are read by `prefers-color-scheme`, so that a figure stands on a light page and on a dark.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 74, 150, 44, 52
"""Margins; series are named at the right, beside their lines' ends."""

COLOURS = ("#1f77b4", "#d1660a", "#2a8f3f", "#a03fb0", "#7a7a7a", "#b8860b")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.t{font-size:15px;font-weight:600}"
    ".g{stroke:#888;stroke-opacity:.25}.a{stroke:#888}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}}"
)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis.

    Attributes:
        label: what it shows, with the unit.
        ticks: values with their texts, the first and last of them the axis's ends.
        log: whether it is logarithmic.
    """

    label: str
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def place(self, value: float) -> float:
        """Give the part of the axis, 0 to 1, at which a value stands; beyond its ends, an end."""
        low, high = self._scaled(self.ticks[0][0]), self._scaled(self.ticks[-1][0])
        return min(max((self._scaled(value) - low) / (high - low), 0.0), 1.0)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value


def chart(title: str, *, x: Axis, y: Axis, lines: Mapping[str, Points]) -> str:
    """Draw lines; their names stand beside their last points."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><style>{STYLE}</style>',
        _text(LEFT, 24, title, "start", kind="t"),
        *_axis_x(x),
        *_axis_y(y),
    ]
    at: list[float] = []
    for colour, (name, points) in zip(COLOURS, lines.items(), strict=False):
        drawn = [(_x(x, one), _y(y, other)) for one, other in points]
        path = " ".join(f"{one:.1f},{other:.1f}" for one, other in drawn)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{colour}"/>' for a, b in drawn]
        at.append(_free(drawn[-1][1], at))
        side = WIDTH - RIGHT + 10
        parts.append(
            f'<rect x="{side}" y="{at[-1] - 4:.1f}" width="8" height="8" fill="{colour}"/>'
        )
        parts.append(_text(side + 13, at[-1] + 4.5, name, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM)


def _free(wanted: float, taken: Sequence[float]) -> float:
    """Give a height for a name that hides no other, as near as may be."""
    steps = sorted(range(-40, 41), key=abs)
    free = (wanted + 8 * step for step in steps)
    return next(
        place
        for place in free
        if TOP <= place <= HEIGHT - BOTTOM and all(abs(place - one) >= 16 for one in taken)
    )


def _axis_x(axis: Axis) -> list[str]:
    low, parts = HEIGHT - BOTTOM, []
    for value, text in axis.ticks:
        at = _x(axis, value)
        parts.append(_line(at, TOP, at, low, "g"))
        parts.append(_text(at, low + 18, text, "middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_line(LEFT, low, WIDTH - RIGHT, low, "a"))
    return [*parts, _text(middle, HEIGHT - 12, axis.label, "middle")]


def _axis_y(axis: Axis) -> list[str]:
    parts = []
    for value, text in axis.ticks:
        at = _y(axis, value)
        parts.append(_line(LEFT, at, WIDTH - RIGHT, at, "g"))
        parts.append(_text(LEFT - 8, at + 4.5, text, "end"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="rotate(-90 18 {middle:.1f})"'
    parts.append(_line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "a"))
    return [*parts, _text(18, middle, axis.label, "middle", more=turned)]


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _text(x: float, y: float, text: str, anchor: str, *, kind: str = "", more: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named} {more}>{escape(text)}</text>'
    ).replace(" >", ">")
