"""Causes that show in time: the looks at a training, one after the other, become a verdict.

The phase in which a CTC model answers only blanks is normal: it ends when the outputs begin to
follow the images. So a cause is named only where there is evidence against learning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import texts
from .records import CHANCE, LEARNING, Diagnosis, Evidence, Look


def diagnose(
    looks: Sequence[Look],
    first_loss: float,
    patience: int,
    find_evidence: Callable[[], Evidence],
) -> Diagnosis | None:
    """Name the cause if a training does not learn.

    Args:
        looks: so far, in order, at even distances.
        first_loss: of the first step.
        patience: steps without progress that are looked at.
        find_evidence: is called only where a verdict depends on it, since it costs a second.

    Returns:
        A diagnosis, or None as long as nothing speaks against learning.
    """
    if len(looks) < 3:
        return None
    return (
        _rate_without_effect(looks, first_loss)
        or _exploded(looks, first_loss)
        or _forgot(looks)
        or _stands_still(looks, patience, find_evidence)
    )


def _rate_without_effect(looks: Sequence[Look], first_loss: float) -> Diagnosis | None:
    """The weights have not moved since the start, and there is something left to learn."""
    last = looks[-1]
    if last.moved is None or last.moved > 1e-4 or (last.cer is not None and last.cer < 0.1):
        return None
    return texts.no_effect(
        last, f"the loss was {first_loss:.3g} at the start and is {last.loss:.3g}"
    )


def _exploded(looks: Sequence[Look], first_loss: float) -> Diagnosis | None:
    """The loss stays above its start, though not because labels grew longer: nothing is read."""
    limit = max(1.5 * first_loss, first_loss + 1)
    if any(look.loss <= limit or (look.cer is not None and look.cer < 0.9) for look in looks[-3:]):
        return None
    seen = f"The loss began at {first_loss:.3g} and stays above that, at {texts.loss_range(looks)}"
    return texts.too_high(looks, seen)


def _forgot(looks: Sequence[Look]) -> Diagnosis | None:
    """A model that could read cannot any more, while its loss has risen."""
    known = [look for look in looks if look.cer is not None]
    if len(known) < 4:
        return None
    best = min(known, key=lambda look: look.cer or 0)
    recent = known[-3:]
    has_read = (best.cer or 0) < 0.5
    has_lost = all((look.cer or 0) > 0.9 and look.loss > 2 * best.loss for look in recent)
    if not has_read or not has_lost:
        return None
    return texts.too_high(
        looks,
        f"The CER was down to {best.cer:.0%} at step {best.step} and is {recent[-1].cer:.0%} "
        f"again; the loss rose from {best.loss:.3g} to {texts.loss_range(looks)}",
    )


def _stands_still(
    looks: Sequence[Look], patience: int, find_evidence: Callable[[], Evidence]
) -> Diagnosis | None:
    """Nothing was read during the last `patience` steps: ask why."""
    window, twice, four_times = (_last_steps(looks, n * patience) for n in (1, 2, 4))
    is_flat = _reads_nothing(window) and _is_flat(window)
    # A model that learns wrong pairs by heart has a falling loss and still reads nothing.
    if not is_flat and not _reads_nothing(twice):
        return None
    evidence = find_evidence()
    is_learning = evidence.advantage is not None and evidence.advantage > LEARNING
    if evidence.match is not None and evidence.match < CHANCE and not is_learning:
        return texts.foreign_labels(looks[-1], evidence)
    if is_flat and evidence.advantage is not None and not is_learning:
        return _cause_of_standstill(looks, window, evidence)
    # What is not known, or learns too slowly, gets four times the patience.
    if _reads_nothing(four_times) and _is_flat(four_times):
        return _cause_of_standstill(looks, four_times, evidence)
    return None


def _cause_of_standstill(
    looks: Sequence[Look], window: Sequence[Look], evidence: Evidence
) -> Diagnosis:
    last = looks[-1]
    if last.moved is not None and last.moved < 1e-2:
        return texts.no_effect(last, f"the loss stays at {texts.loss_range(window)}")
    if max(look.moved or 0 for look in looks) > 3:
        seen = f"The loss stays at {texts.loss_range(window)} and the model reads nothing"
        return texts.too_high(looks, seen)
    if min(look.empty or 0 for look in window) >= 0.95:
        return texts.blank_collapse(window, evidence)
    return texts.no_progress(window, evidence)


def _last_steps(looks: Sequence[Look], num_steps: int) -> Sequence[Look]:
    """Return the looks of the last steps; none if the training is shorter."""
    first = looks[-1].step - num_steps
    return [look for look in looks if look.step > first] if first >= 0 else []


def _reads_nothing(window: Sequence[Look]) -> bool:
    return bool(window) and all(look.cer is not None and look.cer >= 0.9 for look in window)


def _is_flat(window: Sequence[Look]) -> bool:
    """Tell whether the loss fell by less than 2 % from one half of the looks to the other."""
    losses = [look.loss for look in window]
    half = len(losses) // 2
    return half > 0 and sum(losses[-half:]) > 0.98 * sum(losses[:half])
