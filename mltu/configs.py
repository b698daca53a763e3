"""Settings of a run: attributes of an object in memory, safe YAML on disk."""

from __future__ import annotations

import inspect
import math
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from mltu.utils.checks import check_count
from mltu.utils.files import StrPath, atomic_path

_MAX_BITS = 10_000  # of a whole number; Python writes no more than 4,300 digits.


class BaseModelConfigs:
    """Base class of settings that are saved next to the model and loaded again.

    Subclass it and set attributes in `__init__`; `model_path` names the run folder. Values are
    text, numbers, booleans, None, and lists or dicts of them; NumPy scalars and paths are stored
    as plain numbers and text. A vocabulary is a string or a list, whose order is kept.
    """

    def __init__(self) -> None:
        self.model_path: str | None = None

    def save(self, name: str = "configs.yaml") -> Path:
        """Write all attributes to `<model_path>/<name>` as UTF-8 YAML; the folder is made.

        Args:
            name: of the file.

        Returns:
            The path of the file.

        Raises:
            ValueError: `model_path` is not set.
            TypeError: an attribute cannot be stored; it is named.
        """
        if not self.model_path:
            raise ValueError(
                "`model_path` must be the run folder before the configs are saved. "
                f"Received {self.model_path!r}."
            )
        from mltu.utils.safe_yaml import write_yaml

        stored = {key: _plain(key, value) for key, value in vars(self).items()}
        path = Path(self.model_path) / name
        with atomic_path(path) as temporary:
            temporary.write_text(write_yaml(stored), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: StrPath) -> Self:
        """Read a file that `save` wrote.

        Args:
            path: of the YAML file. It is read with the safe loader: no code in it can run.

        Returns:
            An object of this class with the attributes of the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a YAML mapping of plain values.
        """
        from mltu.utils.safe_yaml import read_yaml

        content = Path(path).read_bytes()
        try:
            stored = read_yaml(content)
        except ValueError as error:
            raise ValueError(
                f"`path` must be a YAML file of plain values. Received {str(path)!r}: {error}"
            ) from error
        if not isinstance(stored, dict) or not all(isinstance(key, str) for key in stored):
            raise ValueError(
                "`path` must be a YAML file with one `name: value` per setting. "
                f"Received {str(path)!r}, which holds {type(stored).__name__} instead."
            )
        configs = cls()
        vars(configs).update(stored)
        return configs

    @classmethod
    def from_command_line(cls, arguments: Sequence[str] | None = None) -> Self:
        """Make the configs, changed by the arguments of the program: `train.py height=64 seed=1`.

        Where `model_path=RUN` names a run that exists, its configs.yaml gives the values instead of
        the defaults, so that a run continues with its own settings. `--help` lists every
        setting with its default and its comment in `__init__`. An unknown name or a value of
        another type than the default's ends the program with one sentence.

        Args:
            arguments: `name=value` each; those of the program if None.
        """
        configs = cls()
        arguments = sys.argv[1:] if arguments is None else arguments
        if not {"-h", "--help"}.isdisjoint(arguments):
            print(_help(configs))
            raise SystemExit(0)
        given: dict[str, Any] = {}
        for argument in arguments:
            name, equals, text = argument.removeprefix("--").partition("=")
            if not equals or name not in vars(configs):
                raise SystemExit(
                    f"Unknown setting {argument!r}. Write name=value; --help lists all names."
                )
            default = vars(configs)[name]
            try:
                given[name] = text if name == "model_path" else _parse(text, default)
            except ValueError:
                raise SystemExit(
                    f"{name} must be {type(default).__name__}, such as {default!r}. "
                    f"Received {text!r}."
                ) from None
        if run := given.get("model_path"):
            if not {"{", "}"}.isdisjoint(run):
                # After an epoch, Keras's ModelCheckpoint would look for fields in the path.
                raise SystemExit(f"model_path must have no {{ and no }}. Received {run!r}.")
            if (saved := Path(run) / "configs.yaml").is_file():
                configs = cls.load(saved)
        vars(configs).update(given)
        return configs


def _help(configs: BaseModelConfigs) -> str:
    """List the settings, with the comments behind `self.name = value` in the source."""
    comments: dict[str, str] = {}
    for kind in reversed(type(configs).__mro__[:-1]):
        with suppress(OSError, TypeError):  # No source, as in an interactive session.
            source = inspect.getsource(kind.__init__)  # type: ignore[misc]
            comments.update(re.findall(r"^\s*self\.(\w+)\b.*?  # (.*)$", source, re.MULTILINE))
    lines = [f"Usage: {Path(sys.argv[0]).name} [name=value]...", "", "Settings and their defaults:"]
    for name, value in vars(configs).items():
        lines.append(f"  {f'{name}={value}':<32} {comments.get(name, '')}".rstrip())
    return "\n".join(lines)


def _parse(text: str, default: Any) -> Any:
    """Return the value that a text stands for, in the type of the default.

    Raises:
        ValueError: it is of another type.
    """
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError
        return text.lower() == "true"
    if isinstance(default, int | float):
        value = type(default)(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        return value
    if default is None:
        for kind in (int, float):
            with suppress(ValueError):
                return kind(text)
        return text
    from mltu.utils.safe_yaml import read_yaml

    value = read_yaml(text)
    if type(value) is not type(default):
        raise ValueError
    return value


def _option(
    default: Any,
    meaning: str,
    *,
    name: str | None = None,
    choices: Sequence[str] = (),
    least: int | None = None,
) -> Any:
    """Return a field that `mltu train` has as an option; `name` is that of the option."""
    metadata = {"meaning": meaning, "name": name, "choices": choices, "least": least}
    return field(default=default, metadata=metadata)


@dataclass(kw_only=True)
class ReaderConfigs(BaseModelConfigs):
    """The settings of a reader: of `train_reader`, `mltu train`, and the run's configs.yaml.

    The first ones are chosen: keywords of the function and options of the command, with their
    help. The others are filled in from the data. Names are those of tutorial 01.
    """

    model: str | None = _option(
        None,
        "Network, from mltu.models (default: that of --start-from, or else chosen for the data).",
        choices=("columns", "rows", "strong", "text"),
    )
    start_from: str | None = _option(
        None,
        "Trained reader to start from: words, words_small, a run folder, a model "
        "file, or none (default: words, if it knows half of the characters of the labels).",
    )
    train_epochs: int | None = _option(
        None,
        "Maximum number of epochs (default depends on the number of samples).",
        name="epochs",
        least=1,
    )
    batch_size: int | None = _option(
        None, "Images per step (default depends on the number of samples).", least=1
    )
    learning_rate: float | None = _option(
        None, "Peak learning rate (default depends on --start-from and --model)."
    )
    width: Any = _option(  # noqa: RUF009  # an int, or a list where images keep their shape
        None, "Width of the model input, in pixels (default: chosen for the images).", least=1
    )
    height: int | None = _option(
        None, "Height of the model input, in pixels (default: chosen for the images).", least=1
    )
    vocab: str | None = _option(
        None, "Characters that the reader knows (default: those of the labels)."
    )
    label_order: str = _option(
        "logical",
        "Order of right-to-left labels: 'visual' converts them to the order in the image.",
        choices=("logical", "visual"),
    )
    augment: bool = _option(
        True, "Randomly vary contrast, angle, size, sharpness and strokes of training images."
    )
    seed: int = _option(0, "Random seed.", least=0)
    precision: str | None = _option(
        None,
        "Keras dtype policy (default: mixed_bfloat16 where it was measured to be faster).",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    train_workers: int = _option(2, "Threads that prepare batches.", name="workers", least=0)
    train_processes: int = _option(
        0,
        "Processes that prepare training batches in place of threads, to feed a GPU.",
        name="processes",
        least=0,
    )

    data: str | None = None  # the paths that the samples came from
    validation: str | None = None
    color: str = "BGR"  # of the model input, or "GRAY"
    resize: str = "stretch"  # or "fit": aspect kept, padded; `width` may then be several
    padding_color: list[int] = field(default_factory=lambda: [0])
    widen_to: float = 0.0  # width / height up to which "fit" stretches narrower images
    max_text_length: int = 0
    model_path: str = field(
        default_factory=lambda: str(Path("runs") / datetime.now().strftime("%Y%m%d%H%M%S"))
    )

    @classmethod
    def options(cls) -> dict[str, Field[Any]]:
        """Return the fields that are chosen, by the names of their options."""
        return {
            entry.metadata["name"] or entry.name: entry for entry in fields(cls) if entry.metadata
        }

    @classmethod
    def from_options(cls, **chosen: Any) -> Self:
        """Make the configs from options by name, such as `epochs=30`.

        Raises:
            TypeError: there is no such option.
            ValueError: an option is out of its range.
        """
        options, configs = cls.options(), cls()
        for name, value in chosen.items():
            if name not in options:
                raise TypeError(
                    f"`train_reader` has no argument `{name}`. Its settings are: "
                    f"{', '.join(options)}."
                )
            if value is None:  # as if it were not given
                continue
            choices, least = options[name].metadata["choices"], options[name].metadata["least"]
            if choices and value not in choices:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(map(repr, choices))}. Received {value!r}."
                )
            if least is not None:
                check_count(name, value, least)
            if isinstance(options[name].default, bool) and not isinstance(value, bool):
                raise ValueError(f"`{name}` must be True or False. Received {value!r}.")
            setattr(configs, options[name].name, value)
        if configs.learning_rate is not None and not 0 < configs.learning_rate < math.inf:
            raise ValueError(
                f"`learning_rate` must be above 0 and finite. Received {configs.learning_rate!r}."
            )
        return configs


def _plain(name: str, value: Any) -> Any:
    """Return `value` in safe YAML types; raise for a setting that cannot be stored."""
    numpy = sys.modules.get("numpy")  # Not imported: `mltu train --help` reads this module.
    if numpy is not None and isinstance(value, numpy.generic):
        return _plain(name, value.item())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if isinstance(value, dict):
        if tuples := [key for key in value if isinstance(key, tuple)]:
            raise TypeError(
                f"`{name}` must have keys of text or numbers. Received the key {tuples[0]!r}."
            )
        return {_plain(name, key): _plain(name, item) for key, item in value.items()}
    if type(value) is int and value.bit_length() > _MAX_BITS:
        raise TypeError(
            f"`{name}` must be text, or numbers of at most {_MAX_BITS} bits. Received a "
            f"number of {value.bit_length()} bits. Store it as text."
        )
    # Subclasses, such as the members of an IntEnum, are unknown to safe YAML.
    if value is None or type(value) in (str, bool, int, float):
        return value
    hint = " A set has no order: use a string or a list." if isinstance(value, set) else ""
    raise TypeError(
        f"`{name}` must be text, a number, a boolean, None, or a list or dict of them. "
        f"Received {type(value).__name__}.{hint}"
    )
