# %% [markdown]
# # Handwriting recognition
#
# Trains a reader of handwritten words, starting from the reader of printed text that comes with
# the library. `python train.py --help` lists the settings of configs.py, `python train.py
# train_epochs=1 limit=200` changes two. Tutorial 04 trains on lines with the same script.

# %%
from pathlib import Path

import keras
from configs import ModelConfigs
from data import AUGMENTORS, read_samples
from keras.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau

from mltu.callbacks import ConvergenceWatch, FollowSchedule, Model2onnx, TrainLogger, tensorboard
from mltu.dataProvider import DataProvider
from mltu.datasets import write_csv
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import load_pretrained, refresh_statistics, text_reader, use_native_layers
from mltu.plots import plot_history
from mltu.preprocessors import ImageReader
from mltu.resume import KeepState, fit_resumable
from mltu.training import evaluate_export
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

configs = ModelConfigs.from_command_line()
run = Path(configs.model_path)
keras.utils.set_random_seed(configs.seed)
keras.config.set_dtype_policy(configs.precision)

# %% [markdown]
# ## Data
#
# `data=FOLDER` names the folder of IAM. Without it a stand-in is drawn with handwriting fonts.
# Pages are split, not words: a reader must be tested on hands that it has not seen.

# %%
parts = read_samples(configs)
labels = [label for part in parts for label in part.labels]
configs.vocab = "".join(sorted(set("".join(labels))))
configs.max_text_length = max(map(len, labels))
training, validation, test = (part[: configs.limit or None] for part in parts)
print(f"{len(training)} training, {len(validation)} validation and {len(test)} test images")

# %% [markdown]
# ## Batches
#
# Images of (32, 32, width, 3): scaled to the height of 32 and padded with white, never stretched.
# All words of a batch have one width of the list.


# %%
def provide(samples, **options):
    return DataProvider(
        samples,
        data_preprocessors=[ImageReader()],
        transformers=[
            ImageResizer(
                configs.width,
                configs.height,
                keep_aspect_ratio=True,
                padding_color=configs.padding_color,
            ),
            LabelIndexer(configs.vocab),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        batch_size=configs.batch_size,
        seed=configs.seed,
        workers=configs.train_workers,
        **options,
    )


# CTC learns sooner from short labels.
train_data_provider = provide(training, augmentors=AUGMENTORS, short_first=True)
val_data_provider = provide(validation, shuffle=False)


def save_run(logs=None):
    """Called when training begins, so that a resume that is refused has changed no file."""
    configs.save()
    train_data_provider.to_csv(run / "train.csv")
    val_data_provider.to_csv(run / "val.csv")
    write_csv(run / "test.csv", test)


# %% [markdown]
# ## Network
#
# Convolutions, then two bidirectional LSTMs, with a time step for every 2 pixels: see
# `text_reader`. The reader to start from knows letters already, and has to learn how hands write
# them. It keeps its weights for the characters that it knows. Its batch normalization is fitted
# to these images first, so that the first steps do not destroy what it knows.

# %%
if configs.start_from:
    model = load_pretrained(configs.start_from, vocab=configs.vocab)
    first = range(min(len(train_data_provider), 32))
    refresh_statistics(model, (train_data_provider[i][0] for i in first))
else:
    model = text_reader((configs.height, None, 3), len(configs.vocab))
use_native_layers(model)  # the fused kernels of the backend
model.compile(
    optimizer=keras.optimizers.Adam(configs.learning_rate),
    loss=CTCLoss(from_logits=True),
    metrics=[CWERMetric(configs.vocab)],
)
model.summary(line_length=110)

# %% [markdown]
# ## Training
#
# Ctrl-C stops it safely; `python train.py model_path=RUN` resumes it.

# %%
steps = len(train_data_provider) * configs.train_epochs
by_cer = {"monitor": "val_CER", "mode": "min"}
callbacks = [
    LambdaCallback(on_train_begin=save_run),
    FollowSchedule.warmup_cosine(configs.learning_rate, steps),  # warm-up, then cosine decay
    EarlyStopping(patience=10, **by_cer),  # ends after 10 epochs without progress
    ReduceLROnPlateau(factor=0.9, patience=5, min_delta=1e-10, **by_cer),  # smaller steps after 5
    ModelCheckpoint(run / "model.keras", save_best_only=True, **by_cer),  # the best epoch
    TrainLogger(run),  # logs.log: the metrics of each epoch
    *tensorboard(run / "logs", update_freq=1),
    ConvergenceWatch(val_data_provider, log_path=run / "watch.log"),  # says why nothing is learned
    Model2onnx(run / "model.keras", {"vocab": configs.vocab}, validation=val_data_provider),
    KeepState(run / "state", settings={"vocab": configs.vocab}),  # to resume; the last one
]
history = fit_resumable(
    model,
    train_data_provider,
    validation_data=val_data_provider,
    epochs=configs.train_epochs,
    callbacks=callbacks,
    resume=True,
).history

# %% [markdown]
# ## Result
#
# The validation images chose the epoch; the test images are read once, by the ONNX file.

# %%
plot_history(run / "curves.png", history)
found = evaluate_export(run, test)
print(
    f"model.onnx on {found.num_samples} test images: CER {found.cer}, WER {found.wer}, "
    f"exactly right {found.exact}"
)
print(f"Run folder: {run}")
