"""train_reader: from a data set to a run folder with a verified ONNX file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.configs import ReaderConfigs
from mltu.data_check import check_data
from mltu.datasets import Samples
from mltu.evaluation import Evaluation
from mltu.inference import pretrained_names
from mltu.models import refresh_statistics
from mltu.models._adapt import dtype_policy, in_precision, with_height
from mltu.models._networks import NETWORKS
from mltu.models._pretrained import Pretrained, open_pretrained
from mltu.onnx_export import check_packages
from mltu.training._choice import choose_precision, choose_start, fill_in
from mltu.training._data import (
    DatasetError,
    all_characters,
    gather_samples,
    make_augmentors,
    make_provider,
    require_sound_data,
    widest,
)
from mltu.training._fit import compile_reader, fit_reader
from mltu.training._run import (
    continue_configs,
    draw_augmented,
    evaluate_export,
    load_saved_samples,
    require_new_run,
    save_samples,
)
from mltu.utils.files import StrPath
from mltu.utils.text_columns import text_lengths

with explain_missing():
    import keras

_NUM_MEASURED = 500  # images whose shapes decide the size of the input
_NUM_REFRESHED = 32  # batches that give the first statistics of batch normalization


@dataclass(frozen=True, slots=True)
class TrainedReader:
    """The result of a training run.

    Attributes:
        run: the folder.
        history: the metrics of each epoch, by name, as Keras gives them.
        evaluation: metrics of `model.onnx` on the validation samples; None without an export.
    """

    run: Path
    history: dict[str, list[float]]
    evaluation: Evaluation | None


def train_reader(
    data: Any,
    *,
    validation: Any = None,
    output: StrPath | None = None,
    export: bool = True,
    progress: bool = True,
    **settings: Any,
) -> TrainedReader:
    """Train a reader on your own data, and write the same run folder as tutorial 01.

    It starts from the shipped reader if that knows at least half of the characters of the labels,
    and otherwise from scratch. The data is checked first. The learning rate rises to its peak and
    falls along a cosine; training ends early if `val_CER` has not fallen for 2,000 steps and ten
    epochs. Keras's random generators are seeded.

    Args:
        data: a path that `mltu.datasets.open_samples` knows, or what a `DataProvider` takes.
        validation: the same; None for the validation list that comes with the layout of MJSynth,
            or else for a tenth of `data`, sampled with `seed`.
        output: the run folder; `runs/<time>` if None.
        export: True to write `model.onnx`.
        progress: True for progress bars, False for a line for each epoch.
        **settings: any of `start_from`, `model`, `epochs`, `batch_size`, `learning_rate`,
            `width`, `height`, `vocab`, `label_order`, `augment`, `seed`, `precision`, `workers` and
            `processes`, as in `mltu.configs.ReaderConfigs`. What is not given is chosen for the
            data, and printed. A script that sets `processes` needs `if __name__ == "__main__":`.

    Raises:
        DatasetError: the data has errors that would stop training or teach something wrong.
        FileExistsError: `output` holds a run.
        OSError, ValueError, TypeError: the data cannot be read, or an argument is not valid.
        ImportError: a package is missing, with its pip line.
        KeyboardInterrupt: after Ctrl-C; `resume_reader` continues.
    """
    configs = ReaderConfigs.from_options(**settings)
    configs.data, configs.validation = _as_path(data), _as_path(validation)
    if configs.start_from not in ("none", *pretrained_names()):
        configs.start_from = _as_path(configs.start_from)
    if output is not None:
        configs.model_path = os.fspath(output)
    require_new_run(configs.model_path)
    if export:
        check_packages()
    samples, start, reasons = settle(configs, data, validation)
    for line in reasons:
        print(f"Chosen: {line}.")
    return _train(configs, *samples, start, export=export, progress=progress)


def settle(
    configs: ReaderConfigs, data: Any, validation: Any
) -> tuple[tuple[Samples, Samples], Pretrained | None, tuple[str, ...]]:
    """Fill in what was not given, for the data.

    Returns:
        The samples for training and validation, the reader to start from, if any, and a sentence
        for each choice.
    """
    training, held_out = samples = gather_samples(data, validation, configs.seed)
    labels = [part.labels for part in samples]
    if configs.vocab is None:
        configs.vocab = all_characters(*samples, order=configs.label_order)
    if not configs.vocab:
        raise ValueError(
            f"`data` must have labels with text. Received {len(training):,} training labels, all "
            "of them empty. Name the column of the labels, or correct the table."
        )
    configs.max_text_length = max(1, *(int(text_lengths(part).max(initial=0)) for part in labels))
    start, reason = choose_start(configs)
    measured = check_data(training, validation=held_out, num_read=_NUM_MEASURED, progress=False)
    if not measured.statistics["image_height"]:
        raise DatasetError(measured)
    reasons = fill_in(configs, measured, start)
    return samples, start, (reason, *reasons, *choose_precision(configs))


def resume_reader(
    run: StrPath, *, epochs: int | None = None, export: bool = True, progress: bool = True
) -> TrainedReader:
    """Continue a run of `train_reader` where it stopped, with its settings and samples.

    Args:
        run: the folder.
        epochs: more than the run has, to continue a finished one; None for those of the run.
        export: as in `train_reader`.
        progress: as in `train_reader`.

    Raises:
        FileNotFoundError: not a run folder.
        ValueError: the run is finished, or was created with different settings.
        KeyboardInterrupt: after Ctrl-C.
    """
    configs = continue_configs(run, ReaderConfigs, epochs)
    try:
        samples = load_saved_samples(run)
    except FileNotFoundError:
        if configs.data is None:
            raise
        samples = gather_samples(configs.data, configs.validation, configs.seed)
    start = None
    if configs.start_from not in (None, "none"):
        # Its weights come from the training state.
        try:
            start = open_pretrained(Path(run) / "model.keras", configs.vocab)
        except (OSError, ValueError):  # Not yet written, or cut where a kill came in between.
            start = open_pretrained(configs.start_from, configs.vocab)
    return _train(configs, *samples, start, export=export, progress=progress, resume=True)


def _train(
    configs: ReaderConfigs,
    training: Samples,
    validation: Samples,
    start: Pretrained | None,
    *,
    export: bool,
    progress: bool,
    resume: bool = False,
) -> TrainedReader:
    run = Path(configs.model_path)
    # They are None only before `train_reader` has filled them in.
    epochs, learning_rate = configs.train_epochs or 0, configs.learning_rate or 0.0
    model = make_model(configs, start)
    report = None
    if not resume:
        report = require_sound_data(
            training, validation, configs, time_steps=_time_steps(model, configs), progress=progress
        )
    provider = make_provider(training, configs, training=True)
    val_provider = make_provider(validation, configs, training=False)
    if start is not None and not resume:
        count = min(len(provider), _NUM_REFRESHED)
        refresh_statistics(model, (provider[i][0] for i in range(count)))
    save_configs = keras.callbacks.LambdaCallback(on_train_begin=lambda _: configs.save())
    if report is not None:
        path = run / "data_check.json"
        report.write_json(path)
        warnings = [f"{f.name} ({f.count})" for f in report.findings if f.severity == "warning"]
        if warnings:
            print(f"Warnings of the data check, see {path}: {', '.join(warnings)}")
        save_samples(run, training, validation)
        if configs.augment:
            draw_augmented(run, training, make_augmentors(len(training)))
    print(
        f"Training on {len(training):,} images, validating on {len(validation):,}: at most "
        f"{epochs} epochs of {len(provider)} steps. The first step takes a minute (compilation).",
        flush=True,
    )
    history = fit_reader(
        model,
        provider,
        val_provider,
        run,
        epochs=epochs,
        learning_rate=learning_rate,
        metadata={"vocab": configs.vocab, "color": configs.color},
        callbacks=[save_configs],  # A resume that is refused changes no file.
        resume=resume,
        export=export,
        progress=progress,
    )
    evaluation = evaluate_export(run, validation, progress=progress) if export else None
    return TrainedReader(run, history, evaluation)


def make_model(configs: ReaderConfigs, start: Pretrained | None) -> keras.Model:
    """Build the network, or take that of `start`, and compile it."""
    keras.utils.set_random_seed(configs.seed)
    precision = configs.precision or "float32"
    with dtype_policy(precision):
        if start is None:
            network = NETWORKS[configs.model or "columns"]
            shape = (configs.height, configs.width, network.channels)
            model = network.build(shape, len(configs.vocab or ""))
        else:
            model = start.model
            if model.input_shape[1] != configs.height:
                model = with_height(model, configs.height or 0)
            model = in_precision(model, precision)
        is_new = start is None and configs.model != "text"  # "text" starts with blanks by itself.
        learning_rate = configs.learning_rate or 0.0
        compile_reader(model, learning_rate, configs.vocab or "", is_new=is_new)
    return model


def _time_steps(model: keras.Model, configs: ReaderConfigs) -> int:
    """Return how many there are for the widest images."""
    shape = (1, configs.height, widest(configs), model.input_shape[3])
    return int(model.compute_output_shape(shape)[1])


def _as_path(data: object) -> str | None:
    return os.path.abspath(data) if isinstance(data, str | os.PathLike) else None
