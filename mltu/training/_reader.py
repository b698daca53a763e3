"""train_reader: data set in, run folder with a proven ONNX file out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.datasets import Samples
from mltu.evaluation import Evaluation
from mltu.onnx_export import check_packages
from mltu.training._data import check_samples, gather_samples, make_provider
from mltu.training._fit import compile_reader, fit_reader
from mltu.training._run import (
    NETWORKS,
    ReaderConfigs,
    continue_configs,
    enough_epochs,
    evaluate_export,
    keep_samples,
    kept_samples,
    refuse_old_run,
)
from mltu.utils.checks import check_count
from mltu.utils.text_columns import distinct_characters, text_lengths

with explain_missing():
    import keras


@dataclass(frozen=True, slots=True)
class TrainedReader:
    """What a training left behind.

    Attributes:
        run: the folder.
        history: the figures of each epoch, by name, as Keras gives them.
        evaluation: of `model.onnx` on the validation samples; None where there was no export.
    """

    run: Path
    history: dict[str, list[float]]
    evaluation: Evaluation | None


def train_reader(
    data: Any,
    *,
    validation: Any = None,
    output: str | os.PathLike[str] | None = None,
    model: str = "columns",
    epochs: int | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    width: int = 128,
    height: int = 32,
    vocab: str | None = None,
    augment: bool = True,
    seed: int = 0,
    precision: str = "float32",
    workers: int = 2,
    export: bool = True,
    progress: bool = True,
) -> TrainedReader:
    """Train a reader of your own, and write what tutorial 01 writes to a run folder.

    The data is examined first. The rate rises to its peak and falls along a cosine; the training
    ends sooner where `val_CER` has not fallen for 2,000 steps and ten epochs. The generators of
    Keras are seeded.

    Args:
        data: a path that `mltu.datasets.open_samples` knows, or what a `DataProvider` takes.
        validation: the same; None for the validation list that comes with the layout of MJSynth,
            or else for a tenth of `data`, drawn by `seed`.
        output: the run folder; `runs/<time>` if None.
        model: `"columns"`, `"rows"` or `"strong"`, of `mltu.models`.
        epochs: at most; None for as many as make 5,000 steps, but 10..1000.
        batch_size: images of a step.
        learning_rate: the peak; None for what suits the model.
        width: of the model's input in pixels, to which images are stretched.
        height: of the model's input in pixels.
        vocab: the characters; None for those of all labels, sorted.
        augment: True to change brightness, angle and stroke of training images by chance.
        seed: of all chance.
        precision: Keras's dtype policy, such as `"mixed_bfloat16"`.
        workers: threads that make batches.
        export: True to write `model.onnx`.
        progress: True for progress bars, False for a line for each epoch.

    Raises:
        UnfitDataError: the data has faults with which the training would stop or learn wrong.
        FileExistsError: `output` holds a run.
        OSError, ValueError, TypeError: the data cannot be read, or an argument does not suit.
        ImportError: a package is missing, with its pip line.
        KeyboardInterrupt: after Ctrl-C; `resume_reader` goes on.
    """
    if model not in NETWORKS:
        raise ValueError(f"`model` must be one of {sorted(NETWORKS)}. Received {model!r}.")
    check_count("batch_size", batch_size, 1)
    if epochs is not None:
        check_count("epochs", epochs, 1)
    configs = ReaderConfigs()
    vars(configs).update(
        model=model, batch_size=batch_size, width=width, height=height,
        augment=augment, seed=seed, precision=precision, train_workers=workers,
        learning_rate=NETWORKS[model].learning_rate if learning_rate is None else learning_rate,
        color="GRAY" if NETWORKS[model].channels == 1 else "BGR",
        data=_as_path(data), validation=_as_path(validation),
    )  # fmt: skip
    if output is not None:
        configs.model_path = os.fspath(output)
    refuse_old_run(str(configs.model_path))
    if export:
        check_packages()
    training, held = gather_samples(data, validation, seed)
    configs.train_epochs = epochs or enough_epochs(len(training), batch_size)
    labels = (training.labels, held.labels)
    found = set().union(*map(distinct_characters, labels))
    configs.vocab = "".join(sorted(found)) if vocab is None else vocab
    configs.max_text_length = max(1, *(int(text_lengths(part).max(initial=0)) for part in labels))
    return _train(configs, training, held, export=export, progress=progress)


def resume_reader(
    run: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    export: bool = True,
    progress: bool = True,
) -> TrainedReader:
    """Continue a run of `train_reader` where it stopped, with its settings and samples.

    Args:
        run: the folder.
        epochs: more than the run has, to continue a finished one; None for those of the run.
        export: as in `train_reader`.
        progress: as in `train_reader`.

    Raises:
        FileNotFoundError: the folder is none of a run.
        ValueError: the run is finished, or was made otherwise.
        KeyboardInterrupt: after Ctrl-C.
    """
    configs = continue_configs(run, ReaderConfigs, epochs)
    try:
        samples = kept_samples(run)
    except FileNotFoundError:
        if configs.data is None:
            raise
        samples = gather_samples(configs.data, configs.validation, configs.seed)
    return _train(configs, *samples, export=export, progress=progress, resume=True)


def _train(
    configs: ReaderConfigs,
    training: Samples,
    validation: Samples,
    *,
    export: bool,
    progress: bool,
    resume: bool = False,
) -> TrainedReader:
    run = Path(str(configs.model_path))
    keras.utils.set_random_seed(configs.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(configs.precision)
    try:
        model = _build(configs)
    finally:
        keras.config.set_dtype_policy(policy)
    report = None
    if not resume:
        steps = model.output_shape[1]
        report = check_samples(training, validation, configs, steps, progress)
    batches = make_provider(training, configs, trains=True)
    held = make_provider(validation, configs, trains=False)
    configs.save()  # Nothing is written before all has been looked at.
    if report is not None:
        report.write_json(run / "data_check.json")
        if found := [f"{f.name} ({f.count})" for f in report.findings if f.severity == "warning"]:
            print(f"Warnings of the data check, see {run / 'data_check.json'}: {', '.join(found)}")
        keep_samples(run, training, validation)
    history = fit_reader(
        model,
        batches,
        held,
        run,
        epochs=configs.train_epochs,
        learning_rate=configs.learning_rate,
        metadata={"vocab": configs.vocab, "color": configs.color},
        resume=resume,
        export=export,
        progress=progress,
    )
    evaluation = evaluate_export(run, validation, progress=progress) if export else None
    return TrainedReader(run, history, evaluation)


def _build(configs: ReaderConfigs) -> Any:
    network = NETWORKS[configs.model]
    shape = (configs.height, configs.width, network.channels)
    model = network.build(shape, len(configs.vocab))
    compile_reader(model, configs.learning_rate)
    return model


def _as_path(data: Any) -> str | None:
    return os.path.abspath(data) if isinstance(data, str | os.PathLike) else None
