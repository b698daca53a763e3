"""Step: what a `DataProvider` can ask of its preprocessors, augmentors and transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mltu.utils.old_arguments import explains_old_arguments


class Step:
    """A step of a `DataProvider`: (data, label) in, a new (data, label) out.

    Subclass it and implement `__call__`; a plain callable with the same signature also works. The
    other methods have defaults. A subclass does not inherit `batch`, because any method that it
    overrides may change the result. A subclass with its own `__call__` does not inherit
    `keeps_label`, `free_axis` and `check_labels` either.

    Attributes:
        keeps_label: whether the label comes out as it went in.
        describes_itself: whether the class itself, and not a base class, defines `describe`.
    """

    keeps_label: bool = False
    describes_itself: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Replace what is not inherited by the defaults; explain arguments of mltu 1."""
        super().__init_subclass__(**kwargs)
        own = set(vars(cls))
        if "__init__" in own:
            explains_old_arguments(cls)
        reset = {"batch"}
        if "__call__" in own:
            reset |= {"keeps_label", "free_axis", "check_labels"}
        for name in reset - own:
            setattr(cls, name, vars(Step)[name])
        cls.describes_itself = "describe" in own

    def __call__(self, data: Any, label: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Return the new data and the new label; never edit the arrays that came in."""
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(data, label)`.")

    def batch(self, data: Sequence[Any], labels: Sequence[Any]) -> tuple[Any, Any]:
        """Return the data and the labels of a whole batch; override it where that is faster.

        Args:
            data: of each sample; at least one.
            labels: of each sample.

        Returns:
            Sequences of the same length; an array with the batch as first axis is one, too.
        """
        pairs = [self(*sample) for sample in zip(data, labels, strict=True)]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    @property
    def free_axis(self) -> int | None:
        """The axis in which batches differ in length, 0 being the batch; None if there is none."""
        return None

    def check_labels(self, labels: Sequence[Any]) -> Sequence[Any] | None:
        """Check all labels of a data set, before training.

        Returns:
            The labels for the check of the next step; None if the effect of this step on a label
            is unknown, which ends the checks.

        Raises:
            ValueError: labels do not suit this step.
            TypeError: likewise.
        """
        return labels if self.keeps_label else None

    def describe(self) -> dict[str, Any]:
        """Return what a model card says of this step, under the keys of the card."""
        return {}

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in settings_of(self).items())
        return f"{type(self).__name__}({settings})"


class FunctionStep(Step):
    """A plain callable as a `Step`.

    Args:
        function: called with (data, label).
    """

    def __init__(self, function: Callable[[Any, Any], tuple[Any, Any]]) -> None:
        self.function = function

    def __call__(self, data: Any, label: Any) -> tuple[Any, Any]:
        """Call the function."""
        return self.function(data, label)

    def __repr__(self) -> str:
        return repr(self.function)


def as_step(step: Callable[[Any, Any], tuple[Any, Any]]) -> Step:
    """Return a step as it is, and any other callable as a `FunctionStep`."""
    return step if isinstance(step, Step) else FunctionStep(step)


def check_callables(name: str, steps: Sequence[Any]) -> list[Any]:
    """Return a new list of the steps.

    Raises:
        TypeError: `steps` is not a list, or one of them cannot be called.
    """
    is_list = isinstance(steps, Iterable) and not callable(steps)
    wrong = [step for step in steps if not callable(step)] if is_list else [steps]
    if wrong:
        raise TypeError(f"`{name}` must be a list of callables. Received {wrong[0]!r}.")
    return list(steps)


def settings_of(step: object) -> dict[str, Any]:
    """Return the public attributes of a step, which are the arguments that it was made with."""
    return {key: value for key, value in vars(step).items() if not key.startswith("_")}
