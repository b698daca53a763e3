"""The paragraphs: what is seen, with figures, and the two or three things to change."""

from __future__ import annotations

from collections.abc import Sequence

from .records import LEARNING, Diagnosis, Evidence, Look


def no_effect(last: Look, seen: str) -> Diagnosis:
    """Say that the weights do not move."""
    return Diagnosis(
        "rate_without_effect",
        f"The learning rate of {_figure(last.rate)} has no effect: after {last.step} steps the "
        f"weights have moved by {_figure(last.moved)} of their size, and {seen}. Take a rate of "
        "1e-3 with Adam; check that the schedule does not end at 0 too soon, and that the layers "
        "are trainable.",
    )


def too_high(looks: Sequence[Look], seen: str) -> Diagnosis:
    """Say that the steps are too large; `seen` begins a sentence."""
    last = looks[-1]
    return Diagnosis(
        "rate_too_high",
        f"The learning rate of {_figure(last.rate)} is too high. {seen}; by step {last.step} the "
        f"weights have moved by {_figure(last.moved)} times their size. Start again with a tenth "
        "of the rate, let it grow from 0 over the first few hundred steps, and give the optimizer "
        "clipnorm=1.0.",
    )


def foreign_labels(last: Look, evidence: Evidence) -> Diagnosis:
    """Say that the labels are those of other images."""
    return Diagnosis(
        "labels_of_other_images",
        f"After {last.step} steps the model reads nothing (CER {percent(last.cer)}, loss "
        f"{last.loss:.3g}), and the labels do not seem to belong to the images: similar images "
        f"have no more similar labels than by chance ({_figure(evidence.match)} standard "
        "deviations from it, where true pairs have more than 4). Look at some pairs with "
        "`mltu.plots.write_contact_sheet`; check that images and labels are sorted, shuffled "
        "and filtered together, and that no line of the label file is missing.",
    )


def blank_collapse(window: Sequence[Look], evidence: Evidence) -> Diagnosis:
    """Say that nothing but blanks comes."""
    last = window[-1]
    return Diagnosis(
        "blank_collapse",
        f"The model answers only blanks ({percent(last.empty)} of the samples) and has stopped "
        f"learning: between steps {window[0].step} and {last.step} the loss stayed at "
        f"{loss_range(window)}, {_follows(evidence)}. Check that the images reach the first layer "
        "scaled to 0..1 and that there is batch normalisation and no more than 20 % dropout "
        f"before the LSTM; try a tenth and ten times the learning rate of {_figure(last.rate)}, "
        "with a warm-up; give the model fewer time steps (read column by column) or short words "
        "first.",
    )


def no_progress(window: Sequence[Look], evidence: Evidence) -> Diagnosis:
    """Say that nothing moves, where the cause is not known."""
    last = window[-1]
    alike = "" if last.alike is None else f"; {percent(last.alike)} of the samples get one answer"
    return Diagnosis(
        "no_progress",
        f"Nothing has moved from step {window[0].step} to {last.step}: the CER is still "
        f"{percent(last.cer)}, the loss stays at {loss_range(window)}{alike}; "
        f"{_follows(evidence)}. Try a tenth and ten times the learning rate of "
        f"{_figure(last.rate)}, with a warm-up; look at the images as the model gets them, "
        "`provider[0][0]`; and see whether the model can learn 100 samples by heart: if not, the "
        "fault is in the model.",
    )


def _follows(evidence: Evidence) -> str:
    if evidence.advantage is None:
        return "and it is not known whether the outputs follow the images"
    how = "hardly" if evidence.advantage <= LEARNING else "only slowly begin to"
    return (
        f"and the outputs {how} follow the images (the own label of an image is likelier than "
        f"others by {evidence.advantage:.1f} standard deviations; learning shows above "
        f"{LEARNING:g})"
    )


def loss_range(looks: Sequence[Look]) -> str:
    """Write the range of the last ten losses."""
    values = [look.loss for look in looks[-10:]]
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


def _figure(value: float | None) -> str:
    return "unknown size" if value is None else f"{value:.2g}"


def percent(value: float | None) -> str:
    """Write a share."""
    return "unknown" if value is None else f"{value:.0%}"
