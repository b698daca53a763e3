"""Two small drawings of confidence, as SVG inside the page; colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mltu.evaluation.confidence import Coverage, ReliabilityBin
from mltu.evaluation.markup import Markup, element, joined

_WIDTH, _HEIGHT = 360, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 340, 12, 222  # of the plot, in the units of the drawing
_RADIUS = (3.0, 8.0)
_NUM_POINTS = 200  # More cannot be told apart.


def reliability_chart(bins: Sequence[ReliabilityBin]) -> Markup:
    """Draw accuracy against confidence: one dot for each bin, its area by the count."""
    largest = max(item.num_readings for item in bins)
    dots = [_dot(item, _RADIUS[1] * math.sqrt(item.num_readings / largest)) for item in bins]
    diagonal = _line(0, 0, 1, 1, 0, class_="ideal")
    name = "Reliability: the share of readings that is right, by confidence"
    return _drawing(name, "confidence", "right", 0, diagonal, *dots)


def coverage_chart(curve: Sequence[Coverage]) -> Markup:
    """Draw the accuracy of what is taken against the share that is taken."""
    step = -(-len(curve) // _NUM_POINTS)
    points = [*curve[:-1:step], curve[-1]]
    # A curve that stays high is drawn from below its lowest point on.
    low = math.floor(max(min(point.accuracy for point in points) - 0.02, 0) * 10) / 10
    path = " ".join(f"{_x(p.coverage):.1f},{_y(p.accuracy, low):.1f}" for p in points)
    line = element("polyline", points=path, class_="curve")
    end = element("circle", cx=_x(1), cy=_y(points[-1].accuracy, low), r=4, class_="dot")
    name = "Coverage: the accuracy of the surest readings, by the share that is taken"
    return _drawing(name, "taken, the surest first", "right", low, line, end)


def _dot(item: ReliabilityBin, radius: float) -> Markup:
    x, y = _x(item.confidence), _y(item.accuracy, 0)
    bounds = f"Confidence {item.low:.0%} to {item.high:.0%}"
    title = element("title", f"{bounds}: {item.num_readings:,} readings, {item.accuracy:.1%} right")
    low, high = _y(item.accuracy_low, 0), _y(item.accuracy_high, 0)
    whisker = element("line", x1=x, y1=low, x2=x, y2=high, class_="whisker")
    circle = element("circle", title, cx=x, cy=y, r=max(radius, _RADIUS[0]), class_="dot")
    return joined(whisker, circle)


def _drawing(name: str, x_label: str, y_label: str, low: float, *content: Markup) -> Markup:
    """Put content on axes: x from 0 to 1, y from `low` to 1."""
    axes = [_tick_x(number / 4) for number in range(5)]
    axes += [_tick_y(low + (1 - low) * number / 4, low) for number in range(5)]
    middle = (_LEFT + _RIGHT) / 2
    labels = [
        element("text", x_label, x=middle, y=_HEIGHT - 8, text_anchor="middle", class_="axis"),
        element(
            "text",
            y_label,
            transform=f"translate(11 {(_TOP + _BOTTOM) / 2}) rotate(-90)",
            text_anchor="middle",
            class_="axis",
        ),
    ]
    return element(
        "svg",
        *axes,
        *labels,
        *content,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=name,
    )


def _tick_x(value: float) -> Markup:
    text = element("text", f"{value:.0%}", x=_x(value), y=_BOTTOM + 17, text_anchor="middle")
    return joined(_line(value, 0, value, 1, 0, class_="grid"), text)


def _tick_y(value: float, low: float) -> Markup:
    label = f"{value:.1%}".replace(".0", "")
    text = element("text", label, x=_LEFT - 6, y=_y(value, low) + 4, text_anchor="end")
    return joined(_line(0, value, 1, value, low, class_="grid"), text)


def _line(x1: float, y1: float, x2: float, y2: float, low: float, *, class_: str) -> Markup:
    return element("line", x1=_x(x1), y1=_y(y1, low), x2=_x(x2), y2=_y(y2, low), class_=class_)


def _x(value: float) -> float:
    return _LEFT + value * (_RIGHT - _LEFT)


def _y(value: float, low: float) -> float:
    return _BOTTOM - (value - low) / (1 - low) * (_BOTTOM - _TOP)
