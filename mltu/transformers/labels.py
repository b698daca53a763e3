"""Fixed steps for labels: text becomes indices, indices get one length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.transformers.base import Transformer
from mltu.utils.checks import check_count
from mltu.utils.text_columns import TextColumn, distinct_characters, text_lengths

_NUM_NAMED = 10  # How many labels an error names.


class LabelIndexer(Transformer):
    """Turn a text into the indices of its characters.

    Args:
        vocab: the characters in the order of their indices, a string or a list of strings of one
            character each.

    Raises:
        ValueError: a character occurs twice.
        TypeError: `vocab` has no order (a set), or is not made of characters.
    """

    def __init__(self, vocab: str | Sequence[str]) -> None:
        if isinstance(vocab, set | frozenset):
            raise TypeError(
                "`vocab` must be a string or a list, since the order gives the indices. Received "
                'a set, whose order changes with each run. Use `"".join(sorted(vocab))`.'
            )
        odd = [char for char in vocab if not isinstance(char, str) or len(char) != 1]
        if odd:
            raise TypeError(
                f"`vocab` must be made of strings of one character each. Received {odd[0]!r}."
            )
        repeated = sorted(char for char, number in Counter(vocab).items() if number > 1)
        if repeated:
            raise ValueError(f"`vocab` must hold each character once. Received twice: {repeated}.")
        self.vocab = vocab if isinstance(vocab, str) else tuple(vocab)
        self._indices = {char: index for index, char in enumerate(vocab)}

    def __call__(self, data: Any, label: str) -> tuple[Any, npt.NDArray[np.int32]]:
        """Return the label as int32 indices, shape (length,).

        Raises:
            ValueError: the label has characters outside the vocabulary; they are listed.
            TypeError: the label is not text.
        """
        self._check_type(label)
        try:
            return data, self._look_up(label)
        except KeyError:
            unknown = ", ".join(repr(c) for c in sorted(set(label) - self._indices.keys()))
            raise ValueError(
                f"`label` {label!r} has characters outside `vocab`: {unknown}. Add them to the "
                "vocabulary or drop the sample."
            ) from None

    def batch(
        self, data: Sequence[Any], labels: Sequence[str]
    ) -> tuple[Sequence[Any], list[npt.NDArray[np.int32]]]:
        """Look up the characters of all labels at once.

        Raises:
            KeyError, TypeError: one of the labels does not suit; `__call__` says which and why.
        """
        indices = self._look_up("".join(labels))
        ends = list(accumulate(map(len, labels)))
        pairs = zip(ends, labels, strict=True)
        return data, [indices[end - len(label) : end] for end, label in pairs]

    def check_labels(self, labels: Sequence[Any]) -> None:
        """Look at all labels of a data set; only the characters that occur count, so it is quick.

        Raises:
            ValueError: characters are outside the vocabulary; they and the first labels are named.
            TypeError: a label is not text.
        """
        if not isinstance(labels, TextColumn):
            for label in labels:
                self._check_type(label)
        if unknown := distinct_characters(labels) - self._indices.keys():
            found = [label for label in labels if unknown & set(label)]
            raise ValueError(
                f"`dataset` must have labels made of characters of `vocab`. {len(found)} of "
                f"{len(labels)} labels have others, {''.join(sorted(unknown))!r}, among them "
                f"{found[:_NUM_NAMED]}. Add them to the vocabulary or drop the samples."
            )

    def _check_type(self, label: Any) -> None:
        if not isinstance(label, str):
            raise TypeError(
                f"`label` must be text. Received {label!r} of type {type(label).__name__}. Read "
                "labels as text (in pandas: `dtype=str, keep_default_na=False`), or leading zeros "
                "are lost."
            )

    def _look_up(self, text: str) -> npt.NDArray[np.int32]:
        return np.fromiter(map(self._indices.__getitem__, text), np.int32, len(text))


class LabelPadding(Transformer):
    """Pad label indices at the end to one length.

    Args:
        max_word_length: the length of all labels afterwards.
        padding_value: the index of the blank, `len(vocab)`.

    Raises:
        ValueError: `max_word_length` is not positive.
    """

    def __init__(self, max_word_length: int, padding_value: int) -> None:
        check_count("max_word_length", max_word_length, 1)
        self.max_word_length = max_word_length
        self.padding_value = padding_value

    def __call__(self, data: Any, label: npt.ArrayLike) -> tuple[Any, npt.NDArray[np.int32]]:
        """Return the label as int32, shape (max_word_length,).

        Raises:
            ValueError: the label is longer than `max_word_length`.
            TypeError: the label is still text.
        """
        if isinstance(label, str):
            raise TypeError(
                f"`label` must be an array of indices. Received the text {label!r}. Put "
                "LabelIndexer(vocab) before LabelPadding."
            )
        indices = np.asarray(label)
        if len(indices) > self.max_word_length:
            raise ValueError(
                f"`label` must have at most `max_word_length` = {self.max_word_length} entries. "
                f"Received {len(indices)}. Raise `max_word_length` or drop the sample."
            )
        padded = np.full(self.max_word_length, self.padding_value, np.int32)
        padded[: len(indices)] = indices
        return data, padded

    def batch(
        self, data: Sequence[Any], labels: Sequence[npt.NDArray[np.int32]]
    ) -> tuple[Sequence[Any], npt.NDArray[np.int32]]:
        """Pad the labels of a batch into one array, shape (batch, max_word_length).

        Raises:
            ValueError, TypeError: one of the labels does not suit; `__call__` says which and why.
        """
        padded = np.full((len(labels), self.max_word_length), self.padding_value, np.int32)
        lengths = np.fromiter(map(len, labels), np.int64, len(labels))
        padded[np.arange(self.max_word_length) < lengths[:, None]] = np.concatenate(labels)
        return data, padded

    def check_labels(self, labels: Sequence[Any]) -> None:
        """Look at the lengths of all labels of a data set.

        Raises:
            ValueError: labels are longer than `max_word_length`; the first are named.
        """
        too_long = np.flatnonzero(text_lengths(labels) > self.max_word_length)
        if len(too_long):
            raise ValueError(
                f"`dataset` must have labels of at most `max_word_length` = {self.max_word_length} "
                f"characters. {len(too_long)} of {len(labels)} are longer, among them "
                f"{[labels[int(i)] for i in too_long[:_NUM_NAMED]]}. Raise `max_word_length` or "
                "drop the samples."
            )
