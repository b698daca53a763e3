"""One HTML file that shows what readings are worth and where they go wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mltu import __version__
from mltu.evaluation.cards import card_sections
from mltu.evaluation.figures import Evaluation, evaluate_readings
from mltu.evaluation.markup import Markup, element, joined, visible
from mltu.evaluation.samples import Sample
from mltu.evaluation.sections import (
    confusion_section,
    error_section,
    figure_section,
    figure_tiles,
    outcome_section,
)
from mltu.evaluation.style import CSS
from mltu.evaluation.trust import confidence_section
from mltu.utils.checks import check_count
from mltu.utils.files import atomic_path

# The page may show what it holds and fetch nothing, whatever a label says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(
    path: str | os.PathLike[str],
    readings: Sequence[Sample],
    *,
    title: str = "Evaluation",
    num_pictures: int = 100,
    num_resamples: int = 2_000,
    seed: int = 0,
) -> Evaluation:
    """Write one HTML file that opens from disk, without network and scripts.

    It shows the figures with their intervals, how confidence and accuracy belong together (if
    there are confidences), the most frequent errors on characters, the worst samples with their
    pictures, and the images that could not be read. Equal arguments give equal bytes.

    Args:
        path: of the HTML file; it appears as a whole or not at all.
        readings: the samples; a picture that cannot be read any more is left out of its place.
        title: of the page.
        num_pictures: how many samples are shown with their picture at most; 0 for none.
        num_resamples: of the bootstrap, as in `evaluate_readings`.
        seed: of the bootstrap.

    Returns:
        The figures of the report.

    Raises:
        ValueError: there is no sample, or a number is no integer or too small.
        TypeError: `readings` holds something else than `Sample`.
        OSError: the file cannot be written.
    """
    check_count("num_pictures", num_pictures, 0)
    samples = _as_samples(readings)
    found = evaluate_readings(
        [sample.reading for sample in samples],
        [sample.truth for sample in samples],
        num_resamples=num_resamples,
        seed=seed,
    )
    page = _page(visible(title), samples, found, num_pictures)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return found


def _as_samples(readings: Sequence[Sample]) -> list[Sample]:
    samples = list(readings)
    for sample in samples:
        if not isinstance(sample, Sample):
            raise TypeError(
                "`readings` must be a list of mltu.evaluation.Sample. "
                f"Received an entry of type {type(sample).__name__}. "
                "Make one: Sample(image, truth, reading)."
            )
    return samples


def _page(title: str, samples: Sequence[Sample], found: Evaluation, num_pictures: int) -> str:
    num_characters = sum(len(sample.truth) for sample in samples)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(CSS)),
    )
    body = element(
        "main",
        element("h1", title),
        element(
            "div", f"{len(samples):,} samples with {num_characters:,} characters", class_="soft"
        ),
        figure_tiles(found),
        outcome_section(samples),
        figure_section(found),
        confidence_section(samples),
        confusion_section(samples),
        *card_sections(samples, num_pictures),
        error_section(samples),
        element(
            "footer", f"Written by mltu {__version__}. This file loads nothing from elsewhere."
        ),
    )
    return joined(
        Markup("<!DOCTYPE html>\n"), element("html", head, element("body", body), lang="en")
    )
