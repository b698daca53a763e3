"""Says what took the place of arguments of mltu 1, beneath Python's error about them."""

from __future__ import annotations

import functools
import re
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type)

_GONE = "Leave it out."
_NOW = {
    "random_chance": "Write `probability=`.",
    "augment_annotation": _GONE,
    "log_level": f"{_GONE} Set the level of the logger 'mltu' with `logging`.",
    "borderValue": "Write `border_value=`.",
    "alpha": "Write `amount=`, the largest weight.",
    "lightness_range": _GONE,
    "kernel": _GONE,
    "kernel_anchor": _GONE,
    "image_class": f"{_GONE} Images are NumPy arrays.",
    "batch_postprocessors": "Put the steps last in `transformers=`.",
    "use_cache": _GONE,
    "numpy": f"{_GONE} Batches are NumPy arrays.",
    "transpose_axis": f"{_GONE} Images are (height, width, channels) on each backend.",
    "use_on_batch": f"{_GONE} Labels are always padded to `max_word_length`.",
    "max_spectrogram_length": "Write `max_frames=`.",
    "padding_token": "Pass the vocabulary; the blank is the last class.",
    "vocabulary": "Write `vocab=`.",
    "save_on_epoch_end": "Write `at_best=`.",
    "console_output": f"{_GONE} Keras prints to the console.",
}
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")


def explains_old_arguments(cls: _Class) -> _Class:
    """Decorate a class, so that a TypeError about an argument of mltu 1 says what to write."""
    init = cls.__init__  # type: ignore[misc]

    @functools.wraps(init)
    def explained(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except TypeError as error:
            found = _UNEXPECTED.search(str(error))
            now = _NOW.get(found[1]) if found and found[1] in kwargs else None
            if now and not hasattr(error, "__notes__"):  # A base class may have said it.
                error.add_note(f"This was mltu 1. {now} More: docs/howto/migrate.md")
            raise

    cls.__init__ = explained  # type: ignore[misc]
    return cls
