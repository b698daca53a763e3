"""Label checks, which do not read the images."""

from __future__ import annotations

import os
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu.data_check._findings import AllSamples, Expected, Match, Positions
from mltu.decoders import required_steps
from mltu.utils.text_order import is_right_to_left

_RARE = 10  # A character that occurs less often than this is hardly learned.
_DOMINANT = 0.5  # the share of one label above which always guessing it pays off
_LONGEST = 0.75  # Of uniform n-digit numbers without leading zeros, 90 % have n digits.
_MIN_NUM = 20  # With fewer labels, shares mean nothing.
_NUM_LISTED = 20  # characters listed in a sentence
_JOINERS = "\u200c\u200d"  # Invisible, but part of the spelling in Persian and Indic scripts.
_WHOLE_NUMBER = re.compile(r"[0-9]+(\.0)?")
_RUNNING = re.compile(r"(\D*)(\d+)", re.ASCII)
_SHORT_PREFIX = 3  # characters, such as "KA-" of number plates
_NUM_NAMES = 1000  # file names that decide whether all of them are looked at
_HASH = "[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*"  # of an MD5 or UUID
_COPY = r"(?:_\d+| ?\(\d+\)|(?: -)? [Cc]opy(?: ?\d+| \(\d+\))?)"


class _Extra(NamedTuple):
    """What file names may hold besides the label.

    Attributes:
        found: matches a name that has it. Numbers in a group `number` have to run from file to
            file.
        pattern: finds the label in any name, with or without it.
        share: of the names that have it, above which it is suspected.
    """

    found: str
    pattern: str
    share: float = 0.9


_EXTRAS = (
    _Extra(r"\d+_.+_\d+", r"(?:\d+_)?(.+?)(?:_\d+)?$"),  # of MJSynth: 12_abcd_0001
    _Extra(r".+_\d+", r"(.+?)(?:_\d+)?$"),
    _Extra(r".+[-.# ](?P<number>\d+)", r"(.+?)(?:[-.# ]\d+)?$"),
    _Extra(r"(?P<number>\d+)[-_.# ]+.+", r"(?:\d+[-_.# ]+)?(.+)"),
    _Extra(f"{_HASH}[-_].+", f"(?:{_HASH}[-_])?(.+)"),
    _Extra(f".+[-_]{_HASH}", f"(.+?)(?:[-_]{_HASH})?$"),
    _Extra(r".+ \(\d+\)", r"(.+?)(?: \(\d+\))?$", 0.0),
)
_FILE_NAME = re.compile(
    r"(img|image|dsc[fn]?|frame|photo|pic|picture|pxl|scan|screenshot|whatsapp image)[ _-]*"
    r"[0-9](?:[0-9 ._-]|at|[ap]m|wa|mp)*|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|[0-9a-f]{32}|[0-9a-f]{40}",  # a UUID, MD5 or SHA-1
    re.IGNORECASE,
)


class LabelFacts(NamedTuple):
    """Results of the pass over the labels.

    `lengths` is int32 of shape (samples,), in characters, -1 if the label is not text; `hashes` is
    int64 of shape (samples,), equal for equal labels; `counts` and `first_seen` give for each
    character of the training labels the number of occurrences and the first sample with it;
    `whole_numbers` is True if every label is digits, with or without `.0`.
    """

    lengths: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.int64]
    counts: Counter[str]
    first_seen: dict[str, int]
    whole_numbers: bool


def check_labels(
    samples: AllSamples, expected: Expected, *, progress: bool = True
) -> tuple[LabelFacts, list[Match]]:
    """Check each label once, with a progress bar after 2 s."""
    lengths = np.full(len(samples), -1, np.int32)
    hashes = np.zeros(len(samples), np.int64)
    counts: Counter[str] = Counter()
    first_seen: dict[str, int] = {}
    tests = _tests(expected, counts)
    matched: dict[str, array[int]] = {name: array("q") for name in ("label_not_text", *tests)}
    whole_numbers = True
    bar = tqdm(samples.labels, "Checking labels", delay=2, disable=not progress)
    for position, label in enumerate(bar):
        if not isinstance(label, str):
            hashes[position] = hash(repr(label))
            matched["label_not_text"].append(position)
            continue
        hashes[position] = hash(label)
        lengths[position] = len(label)
        if position < samples.num_training:
            if not first_seen.keys() >= set(label):
                first_seen.update({char: position for char in label if char not in first_seen})
            counts.update(label)
        # An empty cell is the usual reason for floats instead of integers in a table.
        whole_numbers = whole_numbers and (not label or bool(_WHOLE_NUMBER.fullmatch(label)))
        for name, is_faulty in tests.items():
            if is_faulty(label):
                matched[name].append(position)
    facts = LabelFacts(lengths, hashes, counts, first_seen, whole_numbers)
    matches = [
        _match_of_test(samples, expected, facts, name, np.array(positions, np.int64))
        for name, positions in matched.items()
        if positions
    ]
    by_name = list(_check_file_names(samples))
    if not any(match.name == "running_number" for match in by_name):
        matches += _check_numbers(samples, facts)
    return facts, [*matches, *by_name, *_check_balance(samples, facts)]


def _tests(expected: Expected, counts: Mapping[str, int]) -> dict[str, Callable[[str], bool]]:
    """Return the tests for single labels; `counts` is read while it grows."""
    known = counts.keys() if expected.vocab is None else expected.vocab
    tests: dict[str, Callable[[str], bool]] = {
        "empty_label": lambda label: not label,
        "surrounding_whitespace": lambda label: label != label.strip(),
        "invisible_character": _has_invisible,
        "right_to_left": is_right_to_left,
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


def _match_of_test(
    samples: AllSamples, expected: Expected, facts: LabelFacts, name: str, positions: Positions
) -> Match:
    known = facts.counts.keys() if expected.vocab is None else expected.vocab
    faulty_characters: dict[str, Callable[[str], bool]] = {
        "unknown_character": lambda char: char not in known,
        "unseen_character": lambda char: char in known and char not in facts.counts,
    }
    if name in faulty_characters:
        is_faulty = faulty_characters[name]
        labels = map(samples.labels.__getitem__, positions.tolist())
        counts = Counter(char for label in labels for char in label if is_faulty(char))
        source = "made of the training labels" if expected.vocab is None else "as given"
        values = {"source": source, "characters": _counted(counts.most_common())}
        return _match(samples, name, positions, partial(_with_characters, is_faulty), values)
    details: dict[str, Callable[[Any], str]] = {
        "label_not_text": lambda label: f"{label!r} ({type(label).__name__})",
        "invisible_character": ascii,
        "unnormalized_label": ascii,
        "label_too_long": lambda label: f"{label!r} has {len(label)}",
        "too_few_time_steps": lambda label: f"{label!r} needs {required_steps(label)}",
    }
    return _match(samples, name, positions, details.get(name, repr), expected._asdict())


def _match(
    samples: AllSamples,
    name: str,
    positions: Positions,
    detail: Callable[[Any], str] = repr,
    values: Mapping[str, object] | None = None,
) -> Match:
    """Make a match with the labels in its details."""
    return Match(name, positions, lambda position: detail(samples.labels[position]), values or {})


def _with_characters(is_faulty: Callable[[str], bool], label: str) -> str:
    return f"{label!r}: " + ", ".join(map(repr, sorted(filter(is_faulty, set(label)))))


def _counted(counts: Sequence[tuple[str, int]]) -> str:
    listed = ", ".join(f"{char!r} ({number:,})" for char, number in counts[:_NUM_LISTED])
    rest = len(counts) - _NUM_LISTED
    return f"{listed} and {rest} more" if rest > 0 else listed


def _check_balance(samples: AllSamples, facts: LabelFacts) -> Iterator[Match]:
    """Find rare characters, and a label that dominates the training set."""
    rare = {char: number for char, number in facts.counts.items() if number < _RARE}
    if rare:
        ordered = sorted(rare.items(), key=lambda item: item[1])
        first = np.array([facts.first_seen[char] for char, _ in ordered], np.int64)
        values: dict[str, object] = {"least": _RARE, "characters": _counted(ordered)}
        detail = partial(_with_characters, rare.__contains__)
        yield _match(samples, "rare_character", first, detail, values)

    is_training_text = facts.lengths >= 0
    is_training_text[samples.num_training :] = False
    num_texts = int(np.count_nonzero(is_training_text))
    if num_texts >= _MIN_NUM:
        hashes, numbers = np.unique(facts.hashes[is_training_text], return_counts=True)
        share = numbers.max() / num_texts
        if share > _DOMINANT:
            is_dominant = is_training_text & (facts.hashes == hashes[numbers.argmax()])
            positions = np.flatnonzero(is_dominant)
            values = {"label": repr(samples.labels[int(positions[0])]), "share": share}
            yield _match(samples, "dominant_label", positions, values=values)


def _check_file_names(samples: AllSamples) -> Iterator[Match]:
    """Find labels that are the whole name of the file, where the name says something else."""

    def is_name(position: int) -> bool:
        path, label = samples.path(position), samples.labels[position]
        return path is not None and isinstance(label, str) and Path(path).stem == label

    size = samples.num_training
    if sum(map(is_name, range(min(size, _NUM_NAMES)))) < min(size, _NUM_NAMES):
        return
    labels = [label if isinstance(label, str) else "" for label in samples.labels[:size]]
    if (found := _find_extra(labels)) is not None:
        pattern, positions = found
        values: dict[str, object] = {"pattern": f"'{pattern}'"}
        yield _match(samples, "label_in_file_name", np.array(positions), values=values)
    parts = [_RUNNING.fullmatch(label) for label in labels]
    numbers = sorted(int(part[2]) for part in parts if part)
    prefixes = {part[1] for part in parts if part}
    if len(prefixes) == 1 and len(numbers) > 0.9 * size and _is_running(numbers):
        ends: dict[str, object] = {"first": numbers[0], "last": numbers[-1]}
        yield _match(samples, "running_number", np.arange(size), values=ends)


def _find_extra(labels: Sequence[str]) -> tuple[str, list[int]] | None:
    """Find what most names hold besides the label.

    Returns:
        A pattern that finds the label, and the positions of the names; None if nothing is found.
    """
    for extra in _EXTRAS:
        parts = {
            p: part for p, label in enumerate(labels) if (part := re.fullmatch(extra.found, label))
        }
        if len(parts) > extra.share * len(labels):
            numbers = [int(part["number"]) for part in parts.values() if part.groupdict()]
            if not numbers or _is_running(sorted(numbers)):
                return extra.pattern, list(parts)
    # Copies are beside the file that they are copies of.
    names = set(labels)
    copies = {
        p: part[1]
        for p, label in enumerate(labels)
        if (part := re.fullmatch(f"(.+?){_COPY}", label))
    }
    if len(copies) > 1 and sum(name in names for name in copies.values()) > len(copies) / 2:
        return f"(.+?){_COPY}?$", list(copies)
    prefix = os.path.commonprefix(labels)  # noqa: RUF071  Character by character.
    prefix = prefix[: 1 + max(map(prefix.rfind, "-_. "))]
    if len(labels) >= _MIN_NUM and len(prefix) > _SHORT_PREFIX:
        return f"{re.escape(prefix)}(.+)", list(range(len(labels)))
    return None


def _is_running(numbers: Sequence[int]) -> bool:
    """Return whether sorted numbers are all different and hardly one is left out."""
    count = len(numbers)
    return len(set(numbers)) == count >= _MIN_NUM and numbers[-1] - numbers[0] < 1.1 * count


def _check_numbers(samples: AllSamples, facts: LabelFacts) -> Iterator[Match]:
    """Find signs that labels were stored as numbers: `7.0`, and lost leading zeros."""
    positions = np.flatnonzero(facts.lengths > 0)
    if not facts.whole_numbers or not len(positions):
        return
    is_float = np.array([samples.labels[p].endswith(".0") for p in positions.tolist()])
    if is_float.any():
        yield _match(samples, "float_label", positions[is_float])
    lengths = facts.lengths[positions] - 2 * is_float
    is_training = positions < samples.num_training
    # Perhaps only one of the two files went through a spreadsheet.
    for part in (np.ones_like(is_training), is_training, ~is_training):
        short = _without_zeros(samples, positions[part], lengths[part])
        if len(short):
            values = {"longest": int(lengths[part].max())}
            yield _match(samples, "missing_leading_zeros", short, values=values)
            return


def _without_zeros(
    samples: AllSamples, positions: Positions, lengths: npt.NDArray[Any]
) -> Positions:
    """Return the positions of labels shorter than most, if no label begins with a zero."""
    is_short = lengths < lengths.max(initial=0)
    if len(positions) < _MIN_NUM or is_short.mean() > 1 - _LONGEST:
        return positions[:0]
    # The number 0 itself is written as a zero; no other number begins with a zero.
    others = positions[(lengths > 1) | ~is_short]
    has_zero = any(samples.labels[p].startswith("0") for p in others.tolist())
    return positions[:0] if has_zero else positions[is_short]
