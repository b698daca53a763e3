"""Figures of answers, labels and images: plain arithmetic on arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.decoders import greedy_path
from mltu.utils.error_rates import edit_distance

MIN_NUM = 64  # Fewer samples cannot show that labels do not belong to their images.
_NUM_SHUFFLES = 200


def best_answers(outputs: npt.NDArray[Any]) -> list[tuple[int, ...]]:
    """Read each sample by its best path: repeats merged, then blanks, the last class, left out.

    Args:
        outputs: probabilities or logits, shape (batch, time, classes).

    >>> best_answers(np.eye(3)[[[0, 0, 2, 0, 1]]])
    [(0, 0, 1)]
    """
    return [tuple(row.classes.tolist()) for row in greedy_path(outputs)]


def true_texts(labels: npt.NDArray[Any], blank: int) -> list[tuple[int, ...]]:
    """Take the padding (`blank`, or anything outside the classes) from labels (batch, length)."""
    return [tuple(c for c in row if 0 <= c < blank) for row in labels.astype(int).tolist()]


def answer_figures(
    answers: Sequence[tuple[int, ...]], texts: Sequence[tuple[int, ...]]
) -> dict[str, float]:
    """Compare answers with as many true texts: the fields `cer`, `empty`, `alike` of a `Look`."""
    edits = sum(map(edit_distance, answers, texts))
    ((_, num_alike),) = Counter(answers).most_common(1)
    return {
        "cer": edits / max(1, sum(map(len, texts))),
        "empty": sum(not answer for answer in answers) / len(answers),
        "alike": num_alike / len(answers),
    }


def match_of_images_and_labels(
    images: npt.NDArray[Any], texts: Sequence[tuple[int, ...]], rng: np.random.Generator
) -> float | None:
    """Tell how much nearer the texts of similar images are than by chance.

    Images are compared by how much they hold of each frequency along the lines, which shows how
    much is written, and in what strokes, wherever it stands; texts by their edit distance. The
    correlation of the two distances is compared with that of shuffled texts. 64 pairs of words
    or captchas give some 4 to 18, 256 pairs 20 to 70.

    Args:
        images: shape (samples, height, width) or (samples, height, width, channels).
        texts: as many, as sequences of class indices.
        rng: shuffles.

    Returns:
        Standard deviations above the mean of shuffled texts; None where all images or all texts
        are equally far from each other, or images have another shape.

    Source: Szekely, Rizzo and Bakirov, 2007, "Measuring and testing dependence by correlation of
    distances".
    """
    if images.ndim not in (3, 4):
        return None
    grey = images.astype(np.float32)
    grey = grey.mean(axis=3) if images.ndim == 4 else grey
    grey = grey - grey.mean(axis=(1, 2), keepdims=True)
    grey /= grey.std(axis=(1, 2), keepdims=True) + 1e-6
    spectra = np.log(np.abs(np.fft.rfft(grey, axis=2)).mean(axis=1) + 1e-3)[:, 1:65]
    spectra = (spectra - spectra.mean(axis=0)) / (spectra.std(axis=0) + 1e-6)
    far_images = np.linalg.norm(spectra[:, None] - spectra[None], axis=2)
    far_texts = np.array([[edit_distance(a, b) for b in texts] for a in texts], np.float64)
    a, b = _centred(far_images), _centred(far_texts)
    orders = [rng.permutation(len(texts)) for _ in range(_NUM_SHUFFLES)]
    return deviations(float((a * b).sum()), [float((a * b[o][:, o]).sum()) for o in orders])


def deviations(value: float, by_chance: Sequence[float]) -> float | None:
    """Tell how many standard deviations a value lies above those by chance; None if they agree.

    >>> deviations(5.0, [1.0, 3.0])
    3.0
    """
    spread = float(np.std(by_chance))
    scale = max(abs(value), *map(abs, by_chance))
    return (value - float(np.mean(by_chance))) / spread if spread > 1e-9 * scale else None


def _centred(distances: npt.NDArray[Any]) -> npt.NDArray[Any]:
    means = distances.mean(axis=0)
    centred: npt.NDArray[Any] = distances - means - means[:, None] + means.mean()
    return centred
