"""The parts of the report that hold numbers: figures, outcomes, confusions, unreadable images."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from mltu.evaluation.characters import Confusion, confusions
from mltu.evaluation.figures import Evaluation, Figure
from mltu.evaluation.markup import Markup, element, visible
from mltu.evaluation.samples import Sample, source_names
from mltu.utils.error_rates import edit_distance

_MEANINGS = (
    ("exact", "Read exactly right", "Samples without any error; case, signs and spaces count."),
    (
        "cer",
        "CER",
        "Characters to insert, delete or replace, over all characters that stand there.",
    ),
    (
        "mean_cer",
        "Mean CER",
        "The same for each sample alone, then the mean: short texts weigh more.",
    ),
    ("wer", "WER", "The same in whole words; for single words, the share with any error."),
    ("cer_ignoring_case", "CER, any case", "CER where capital and small letters are the same."),
    (
        "mean_cer_ignoring_case",
        "Mean CER, any case",
        "Mean CER where capital and small letters are the same.",
    ),
    (
        "accuracy_ignoring_case",
        "Accuracy of scene text",
        "Samples read right in lower case with all but a-z and 0-9 left out, as published for "
        "scene text.",
    ),
)
_OUTCOMES = {
    "right": "exactly right",
    "case": "wrong only in case",
    "near": "one character wrong",
    "wrong": "more wrong",
    "broken": "could not be read",
}
_NUM_CONFUSIONS = 30
_NUM_COLUMNS = 3
_NUM_ERRORS = 50


def section(title: str, lead: str, *content: Markup) -> Markup:
    """Write a part of the report: a heading, a sentence under it, and the rest."""
    return element("section", element("h2", title), element("p", lead, class_="soft"), *content)


def outcome(sample: Sample) -> str:
    """Tell how a reading ended: "right", "case", "near", "wrong" or "broken"."""
    if sample.error is not None:
        return "broken"
    if sample.reading == sample.truth:
        return "right"
    if sample.reading.lower() == sample.truth.lower():
        return "case"
    return "near" if edit_distance(sample.reading, sample.truth) == 1 else "wrong"


def outcome_section(samples: Sequence[Sample]) -> Markup:
    """Write how many readings ended how, as one bar and in numbers."""
    counts = Counter(map(outcome, samples))
    found = [(key, name) for key, name in _OUTCOMES.items() if counts[key]]
    parts = [element("i", class_=key, style=f"flex:{counts[key]}") for key, _ in found]
    entries = [
        element(
            "li",
            element("i", class_=key),
            f"{counts[key]:,} {name} ({counts[key] / len(samples):.1%})",
        )
        for key, name in found
    ]
    lead = "Every sample is counted once. What is wrong only in case stands apart."
    return section(
        "How the readings ended",
        lead,
        element("div", *parts, class_="parts"),
        element("ul", *entries, class_="legend"),
    )


def figure_tiles(found: Evaluation) -> Markup:
    """Write the figures that one looks for first, large."""
    tiles = [
        (found.exact, "read exactly right"),
        (found.cer, "CER, of characters"),
        (found.wer, "WER, of words"),
    ]
    return element(
        "div",
        *(
            element(
                "div", element("b", f"{figure.value:.1%}"), element("span", name), class_="tile"
            )
            for figure, name in tiles
        ),
        element(
            "div", element("b", f"{found.num_samples:,}"), element("span", "samples"), class_="tile"
        ),
        class_="tiles",
    )


def figure_section(found: Evaluation) -> Markup:
    """Write all figures with their intervals and what they mean."""
    figures = [(getattr(found, field), name, text) for field, name, text in _MEANINGS]
    rows = [_figure_row(*row) for row in figures if row[0] is not None]
    head = [
        element("th", "figure"),
        element("th", "value", class_="number"),
        element("th", "95 % interval"),
        element("th", "what it means"),
    ]
    lead = (
        "Images that could not be read count as the empty text; nothing is left out. Of 20 "
        "intervals, 19 are expected to hold the figure of all texts of this kind."
    )
    table = element(
        "table",
        element("thead", element("tr", *head)),
        element("tbody", *rows),
        class_="figures",
    )
    return section("Figures", lead, table)


def confusion_section(samples: Sequence[Sample]) -> Markup:
    """Write the most frequent errors on characters of the images that could be read."""
    read = [sample for sample in samples if sample.error is None]
    found = confusions([s.reading for s in read], [s.truth for s in read])
    if not found:
        return section("Characters", "No character was read wrong.")
    shown = found[:_NUM_CONFUSIONS]
    size = -(-len(shown) // _NUM_COLUMNS)
    tables = [_confusion_table(shown[i : i + size]) for i in range(0, len(shown), size)]
    rest = f" The {len(shown)} most frequent of {len(found):,}." if len(found) > len(shown) else ""
    total = sum(item.count for item in found)
    lead = (
        f"{total:,} errors on characters, in optimal alignment of truth and reading.{rest} The "
        "share is that of all times the character stands there; of an invented one, that of all "
        "times it was read. Images that could not be read are left out."
    )
    return section("Characters", lead, element("div", *tables, class_="columns"))


def error_section(samples: Sequence[Sample]) -> Markup:
    """Write which images could not be read, and why; nothing where all could."""
    names = source_names(samples)
    pairs = zip(names, samples, strict=True)
    broken = [(name, sample) for name, sample in pairs if sample.error is not None]
    if not broken:
        return Markup()
    rows = [
        element(
            "tr",
            element("td", visible(name)),
            element("td", text_or_nothing(sample.truth)),
            element("td", visible(sample.error or "")),
        )
        for name, sample in broken[:_NUM_ERRORS]
    ]
    rest = f" The first {_NUM_ERRORS} are listed." if len(broken) > _NUM_ERRORS else ""
    lead = f"{len(broken):,} of {len(samples):,} images; they count as the empty text.{rest}"
    head = element("tr", *(element("th", name) for name in ("image", "truth", "error")))
    table = element("table", element("thead", head), element("tbody", *rows), class_="errors")
    return section("Images that could not be read", lead, table)


def text_or_nothing(text: str | Markup) -> Markup:
    """Write a text in its own direction; an empty one as the word for it."""
    if not text:
        return element("span", "nothing", class_="none")
    return element("bdi", text if isinstance(text, Markup) else visible(text))


def _figure_row(figure: Figure, name: str, meaning: str) -> Markup:
    return element(
        "tr",
        element("th", name, scope="row"),
        element("td", f"{figure.value:.2%}", class_="number"),
        element(
            "td", f"{figure.low:.2%} to {figure.high:.2%}", _bar(figure), class_="wide interval"
        ),
        element("td", meaning, class_="wide soft"),
    )


def _bar(figure: Figure) -> Markup:
    """Draw the interval on a scale from 0 to 1, a line at the value."""
    low, high = min(figure.low, 1.0) * 100, min(figure.high, 1.0) * 100
    value = min(figure.value, 1.0) * 99
    return element(
        "svg",
        element("rect", x=low, y=0, width=max(high - low, 0.5), height=6, class_="band"),
        element("rect", x=value, y=0, width=1, height=6, class_="value"),
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def _confusion_table(items: Sequence[Confusion]) -> Markup:
    names = ("truth", "reading", "count", "share")
    classes = ("", "", "number", "number")
    head = [element("th", n, class_=c) for n, c in zip(names, classes, strict=True)]
    rows = [
        element(
            "tr",
            element("td", _character(item.truth, "invented")),
            element("td", _character(item.reading, "lost")),
            element("td", f"{item.count:,}", class_="number"),
            element("td", f"{item.share:.1%}", class_="number"),
        )
        for item in items
    ]
    return element("table", element("thead", element("tr", *head)), element("tbody", *rows))


def _character(char: str, name: str) -> Markup:
    if not char:
        return element("span", name, class_="none")
    if char == " ":
        return element("span", "space", class_="none")
    # A mark that stands on the letter before it gets a circle to stand on.
    shown = "\u25cc" + char if unicodedata.combining(char) else visible(char)
    return element("bdi", shown, class_="glyph")
