"""The parts of the report that show samples: the worst ones, and those wrong only in case."""

from __future__ import annotations

from collections.abc import Sequence

from mltu.evaluation.markup import Markup, differences, element, visible
from mltu.evaluation.samples import Sample, source_names
from mltu.evaluation.sections import outcome, section, text_or_nothing
from mltu.evaluation.thumbnails import thumbnail
from mltu.evaluation.worst import worst_samples
from mltu.utils.error_rates import edit_distance

_CASE_PART = 8  # One picture in so many is kept for samples that are wrong only in case.


def card_sections(samples: Sequence[Sample], num_pictures: int) -> list[Markup]:
    """Write the worst samples and some that are wrong only in case, `num_pictures` in all."""
    ends = list(map(outcome, samples))
    in_case = [index for index, end in enumerate(ends) if end == "case"]
    wrong = [index for index, end in enumerate(ends) if end in ("near", "wrong")]
    num_kept = min(len(in_case), num_pictures // _CASE_PART)
    worst = _worst(samples, wrong, num_pictures - num_kept)
    case = _worst(samples, in_case, num_pictures - len(worst))
    found = []
    if worst:
        lead = f"{_count(worst, wrong)}, by edits, then by CER. What differs is marked in both."
        found.append(_cards("Worst samples", lead, samples, worst))
    if case:
        lead = f"{_count(case, in_case)} readings that are right but for capital and small letters."
        found.append(_cards("Wrong only in case", lead, samples, case))
    return found


def _count(shown: Sequence[int], of: Sequence[int]) -> str:
    return f"{len(shown):,} of {len(of):,}" if len(shown) < len(of) else f"All {len(of):,}"


def _worst(samples: Sequence[Sample], indices: Sequence[int], number: int) -> list[int]:
    preds = [samples[index].reading for index in indices]
    target = [samples[index].truth for index in indices]
    return [indices[place] for place in worst_samples(preds, target, number)]


def _cards(title: str, lead: str, samples: Sequence[Sample], indices: Sequence[int]) -> Markup:
    names = source_names(samples)
    cards = [_card(samples[index], names[index]) for index in indices]
    return section(title, lead, element("div", *cards, class_="cards"))


def _card(sample: Sample, name: str) -> Markup:
    truth, reading = differences(sample.truth, sample.reading)
    texts = element(
        "dl",
        element("dt", "truth"),
        element("dd", text_or_nothing(truth)),
        element("dt", "read"),
        element("dd", text_or_nothing(reading)),
    )
    picture = element("div", _picture(sample), class_="picture")
    notes = [element("p", text, class_="note") for text in (_numbers(sample), visible(name))]
    return element("article", picture, texts, *notes)


def _numbers(sample: Sample) -> str:
    edits = edit_distance(sample.reading, sample.truth)
    numbers = [
        f"{edits:,} edit{'s' if edits > 1 else ''}",
        f"CER {edits / max(len(sample.truth), 1):.0%}",
    ]
    if sample.confidence is not None:
        numbers.append(f"confidence\u00a0{min(sample.confidence, 1):.1%}")
    return " · ".join(numbers)


def _picture(sample: Sample) -> Markup:
    if sample.image is None:
        return element("span", "no picture was given")
    try:
        return element("img", src=thumbnail(sample.image), alt="", loading="lazy")
    except (OSError, TypeError, ValueError) as error:
        # The figures hold without it; the card says what is missing.
        return element("span", f"no picture: {visible(str(error))}")
