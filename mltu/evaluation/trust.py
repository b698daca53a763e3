"""The part of the report on confidence: does it say how often a reading is right?"""

from __future__ import annotations

from collections.abc import Sequence

from mltu.evaluation.charts import coverage_chart, reliability_chart
from mltu.evaluation.confidence import (
    Coverage,
    calibration_error,
    coverage_curve,
    reliability_bins,
    widest_coverage,
)
from mltu.evaluation.markup import Markup, element
from mltu.evaluation.samples import Sample
from mltu.evaluation.sections import section

_GOALS = (0.9, 0.95, 0.98, 0.99, 0.995)


def confidence_section(samples: Sequence[Sample]) -> Markup:
    """Write how confidence and accuracy belong together; nothing where no sample has one."""
    pairs = [
        (min(float(sample.confidence), 1.0), sample.reading == sample.truth)
        for sample in samples
        if sample.confidence is not None and sample.error is None
    ]
    if not pairs:
        return Markup()
    confidences, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    bins, curve = reliability_bins(confidences, right), coverage_curve(confidences, right)
    mean = sum(confidences) / len(confidences)
    accuracy = sum(right) / len(right)
    lead = (
        f"{len(pairs):,} readings with a confidence: {mean:.1%} in the mean, and {accuracy:.1%} "
        "read exactly right. Over bins of confidence the two differ by "
        f"{calibration_error(bins):.1%} (expected calibration error)."
    )
    charts = element(
        "div",
        _figure(
            reliability_chart(bins),
            "Reliability. On the dashed line a confidence is the share of readings that is right; "
            "below it the reader is too sure. Larger dots hold more readings; lines are 95 % "
            "intervals.",
        ),
        _figure(
            coverage_chart(curve),
            "Coverage. How accurate the surest readings are, when that share of all is taken and "
            "the rest is left to a person.",
        ),
        class_="charts",
    )
    return section("Confidence", lead, charts, _goal_table(curve))


def _figure(drawing: Markup, caption: str) -> Markup:
    return element("figure", drawing, element("figcaption", caption))


def _goal_table(curve: Sequence[Coverage]) -> Markup:
    names = ("to have right", "take confidence from", "share taken")
    head = element("tr", *(element("th", name) for name in names))
    rows = [_goal_row(goal, widest_coverage(curve, goal)) for goal in _GOALS]
    return element("table", element("thead", head), element("tbody", *rows))


def _goal_row(goal: float, found: Coverage | None) -> Markup:
    cells = ["not reached here", "-"]
    if found:
        cells = [f"{found.threshold:.4f}", f"{found.coverage:.1%}"]
    return element(
        "tr",
        element("th", f"{goal:.1%}".replace(".0", ""), scope="row"),
        *(element("td", cell) for cell in cells),
    )
