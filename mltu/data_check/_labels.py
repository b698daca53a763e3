"""Label checks: what is wrong with the labels, without a look at the images."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu.data_check._findings import Expected, Hit, Joined, Positions
from mltu.decoders import required_steps

_RARE = 10  # A character seen fewer times than this is hardly learned.
_DOMINANT = 0.5  # The share of one label above which saying it always pays.
_LONGEST = 0.75  # Uniform numbers of n digits written without zeros have n digits in 90 %.
_MIN_NUM = 20  # Fewer labels say nothing about shares.
_NUM_LISTED = 20  # Characters listed in a sentence.
_JOINERS = "\u200c\u200d"  # Invisible, but part of the spelling in Persian and Indic scripts.
_WHOLE_NUMBER = re.compile(r"[0-9]+(\.0)?")
_FILE_NAME = re.compile(
    r"(img|image|dsc[fn]?|frame|photo|pic|picture|scan|screenshot)[ _-]*[0-9][0-9 _-]*",
    re.IGNORECASE,
)


class LabelFacts(NamedTuple):
    """What one pass over all labels leaves behind.

    `lengths` is int32 of shape (samples,), in characters, -1 where the label is no text; `hashes`
    is int64 of shape (samples,), equal for equal labels; `counts` and `first_seen` tell of each
    character of the training labels how often and in which sample first; `whole_numbers` tells
    that every label is digits, with or without `.0`.
    """

    lengths: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.int64]
    counts: Counter[str]
    first_seen: dict[str, int]
    whole_numbers: bool


def check_labels(
    joined: Joined, expected: Expected, *, progress: bool = True
) -> tuple[LabelFacts, list[Hit]]:
    """Look at each label once.

    Args:
        joined: the samples.
        expected: what the model asks of them; without `vocab`, it is what the training labels hold.
        progress: show a progress bar where it takes more than 2 s.

    Returns:
        What was counted, and what was found.
    """
    lengths = np.full(len(joined), -1, np.int32)
    hashes = np.zeros(len(joined), np.int64)
    counts: Counter[str] = Counter()
    first_seen: dict[str, int] = {}
    tests = _make_tests(expected, counts)
    found: dict[str, array[int]] = {name: array("q") for name in ("label_not_text", *tests)}
    whole_numbers = True
    bar = tqdm(joined.labels(), "Looking at labels", len(joined), delay=2, disable=not progress)
    for position, label in enumerate(bar):
        if not isinstance(label, str):
            hashes[position] = hash(repr(label))
            found["label_not_text"].append(position)
            continue
        hashes[position] = hash(label)
        lengths[position] = len(label)
        if position < joined.num_training:
            if not first_seen.keys() >= set(label):
                first_seen.update({char: position for char in label if char not in first_seen})
            counts.update(label)
        # A cell that was empty is what most often makes floats of numbers.
        whole_numbers = whole_numbers and (not label or bool(_WHOLE_NUMBER.fullmatch(label)))
        for name, is_faulty in tests.items():
            if is_faulty(label):
                found[name].append(position)
    facts = LabelFacts(lengths, hashes, counts, first_seen, whole_numbers)
    return facts, [*_hits(joined, expected, facts, found), *_balance(joined, facts)]


def _make_tests(expected: Expected, counts: Mapping[str, int]) -> dict[str, Callable[[str], bool]]:
    """Return the tests that each label takes alone; `counts` is read as it grows."""
    known = counts.keys() if expected.vocab is None else expected.vocab
    tests: dict[str, Callable[[str], bool]] = {
        "empty_label": lambda label: not label,
        "surrounding_whitespace": lambda label: label != label.strip(),
        "invisible_character": _has_invisible,
        "file_name_label": lambda label: _FILE_NAME.fullmatch(label) is not None,
        "unnormalized_label": lambda label: not unicodedata.is_normalized("NFC", label),
        "unknown_character": lambda label: not known >= set(label),
        # The training labels come first, and each is counted before it is tested.
        "unseen_character": lambda label: not counts.keys() >= set(label) & known,
    }
    if (max_word_length := expected.max_word_length) is not None:
        tests["label_too_long"] = lambda label: len(label) > max_word_length
    if (time_steps := expected.time_steps) is not None:
        tests["too_few_time_steps"] = lambda label: (
            2 * len(label) > time_steps and required_steps(label) > time_steps
        )
    return tests


def _has_invisible(label: str) -> bool:
    return not label.isprintable() and any(
        not char.isprintable() and char not in _JOINERS for char in label
    )


def _hits(
    joined: Joined, expected: Expected, facts: LabelFacts, found: Mapping[str, array[int]]
) -> Iterator[Hit]:
    known = facts.counts.keys() if expected.vocab is None else expected.vocab
    details: dict[str, Callable[[Any], str]] = {
        "label_not_text": lambda label: f"{label!r} ({type(label).__name__})",
        "invisible_character": ascii,
        "unnormalized_label": ascii,
        "label_too_long": lambda label: f"{label!r} has {len(label)}",
        "too_few_time_steps": lambda label: f"{label!r} needs {required_steps(label)}",
    }
    faulty: dict[str, Callable[[str], bool]] = {
        "unknown_character": lambda char: char not in known,
        "unseen_character": lambda char: char in known and char not in facts.counts,
    }
    source = "made of the training labels" if expected.vocab is None else "as given"
    for name, found_positions in found.items():
        if not found_positions:
            continue
        positions = np.array(found_positions, np.int64)
        if name in faulty:
            yield _character_hit(joined, name, positions, faulty[name], source)
        else:
            yield _hit(joined, name, positions, details.get(name, repr), expected._asdict())


def _character_hit(
    joined: Joined, name: str, positions: Positions, is_faulty: Callable[[str], bool], source: str
) -> Hit:
    """Make a hit that lists the faulty characters, of all these labels and of each example."""
    labels = map(joined.label, positions.tolist())
    counts = Counter(char for label in labels for char in label if is_faulty(char))
    values = {"source": source, "characters": _counted(counts.most_common())}
    return _hit(joined, name, positions, partial(_with_characters, is_faulty), values)


def _with_characters(is_faulty: Callable[[str], bool], label: str) -> str:
    return f"{label!r}: " + ", ".join(map(repr, sorted(filter(is_faulty, set(label)))))


def _hit(
    joined: Joined,
    name: str,
    positions: Positions,
    detail: Callable[[Any], str],
    values: Mapping[str, object],
) -> Hit:
    return Hit(name, positions, lambda position: detail(joined.label(position)), values)


def _balance(joined: Joined, facts: LabelFacts) -> Iterator[Hit]:
    """Find what only shows in all labels together."""
    rare = {char: number for char, number in facts.counts.items() if number < _RARE}
    if rare:
        ordered = sorted(rare.items(), key=lambda item: item[1])
        first = np.array([facts.first_seen[char] for char, _ in ordered], np.int64)
        values = {"least": _RARE, "characters": _counted(ordered)}
        detail = partial(_with_characters, rare.__contains__)
        yield _hit(joined, "rare_character", first, detail, values)

    is_text = facts.lengths >= 0
    training = facts.hashes[: joined.num_training][is_text[: joined.num_training]]
    if len(training) >= _MIN_NUM:
        hashes, numbers = np.unique(training, return_counts=True)
        share = numbers.max() / len(training)
        if share > _DOMINANT:
            positions = np.flatnonzero(is_text & (facts.hashes == hashes[numbers.argmax()]))
            positions = positions[positions < joined.num_training]
            values = {"label": repr(joined.label(int(positions[0]))), "share": share}
            yield _hit(joined, "dominant_label", positions, repr, values)

    numbers = np.flatnonzero(facts.lengths > 0)
    if facts.whole_numbers and numbers.size:
        yield from _numbers(joined, facts, numbers)


def _numbers(joined: Joined, facts: LabelFacts, positions: Positions) -> Iterator[Hit]:
    """Find the traces of labels that were numbers on their way: `7.0` and shorter labels."""
    is_float = np.array([joined.label(p).endswith(".0") for p in positions.tolist()])
    if is_float.any():
        yield _hit(joined, "float_label", positions[is_float], repr, {})
    lengths = facts.lengths[positions] - 2 * is_float
    is_training = positions < joined.num_training
    # One of the two files alone may have gone through a spreadsheet.
    for part in (np.ones_like(is_training), is_training, ~is_training):
        short = _lost_zeros(joined, positions[part], lengths[part])
        if len(short):
            values = {"longest": int(lengths[part].max())}
            yield _hit(joined, "lost_zeros", short, repr, values)
            return


def _lost_zeros(joined: Joined, positions: Positions, lengths: npt.NDArray[Any]) -> Positions:
    """Return those whose labels are shorter than most, where no label begins with a zero."""
    is_short = lengths < lengths.max(initial=0)
    if len(positions) < _MIN_NUM or is_short.mean() > 1 - _LONGEST:
        return positions[:0]
    # The number 0 itself is written as a zero; no other number begins with one.
    others = positions[(lengths > 1) | ~is_short]
    has_zero = any(joined.label(p).startswith("0") for p in others.tolist())
    return positions[:0] if has_zero else positions[is_short]


def _counted(counts: Sequence[tuple[str, int]]) -> str:
    listed = ", ".join(f"{char!r} ({number:,})" for char, number in counts[:_NUM_LISTED])
    rest = len(counts) - _NUM_LISTED
    return f"{listed} and {rest} more" if rest > 0 else listed
