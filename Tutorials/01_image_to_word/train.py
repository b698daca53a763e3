# %% [markdown]
# # From images to words
#
# Trains a network to read words with CTC, and exports it as one ONNX file. `python train.py
# --help` lists the settings of configs.py, `python train.py train_epochs=1 limit=200` changes two
# of them.

# %%
import subprocess
import sys
from pathlib import Path

import keras
from configs import ModelConfigs
from keras.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from model import train_model

from mltu.augmentors import RandomContrast, RandomGaussianBlur, RandomPerspective
from mltu.callbacks import ConvergenceWatch, FollowSchedule, Model2onnx, TrainLogger, tensorboard
from mltu.dataProvider import DataProvider
from mltu.datasets import read_csv, read_mjsynth
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import load_pretrained, use_native_layers
from mltu.plots import plot_history
from mltu.preprocessors import ImageReader
from mltu.resume import KeepState, fit_resumable
from mltu.training import evaluate_export, faster_precision, start_with_blanks
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

configs = ModelConfigs.from_command_line()
run = Path(configs.model_path)
keras.utils.set_random_seed(configs.seed)
configs.precision = configs.precision or faster_precision()
keras.config.set_dtype_policy(configs.precision)

# %% [markdown]
# ## Data
#
# `data=FOLDER` names the folder of MJSynth. Without it, words are drawn from fonts in the same
# layout: the label is part of the file name, `./1/1/1_Lube_20711.jpg`.

# %%
if not configs.data:
    configs.data = f"Datasets/generated_words/{configs.num_train}_{configs.num_validation}"
    counts = f"--num-train {configs.num_train} --num-validation {configs.num_validation}"
    command = f"-m mltu synth words {configs.data} {counts}".split()
    subprocess.run([sys.executable, *command], check=True)
configs.data = str(Path(configs.data).resolve())

training, validation = read_mjsynth(configs.data, "train"), read_mjsynth(configs.data, "val")
configs.vocab = "".join(sorted(set("".join(training.labels))))
configs.max_text_length = max(map(len, [*training.labels, *validation.labels]))
print(f"{len(training)} training words, such as {training[0]}; vocabulary: {configs.vocab}")
print(f"precision={configs.precision}")

# %% [markdown]
# ## Batches
#
# A `DataProvider` reads, stretches and stacks images in threads: 32 images of height 32, width 128
# and three colours, (32, 32, 128, 3). Each label becomes a row of indices into the vocabulary. The
# index behind the last, which the network uses for the blank, fills it up; the loss ignores it.


# %%
def provide(samples, **options):
    return DataProvider(
        samples,
        data_preprocessors=[ImageReader()],
        transformers=[
            ImageResizer(configs.width, configs.height),
            LabelIndexer(configs.vocab),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        batch_size=configs.batch_size,
        limit=configs.limit or None,
        skip_validation=True,  # Looking for each of seven million files would take minutes.
        seed=configs.seed,
        workers=configs.train_workers,
        **options,
    )


# `augment=True` changes each image a little and never twice alike, which pays off when training
# sees an image more than a few times.
augmentors = [RandomPerspective(), RandomContrast(), RandomGaussianBlur()]
train_data_provider = provide(training, augmentors=augmentors if configs.augment else [])
val_data_provider = provide(validation, shuffle=False)


def save_run(logs=None):
    """Called when training begins, so that a resume that is refused has changed no file."""
    configs.save()
    train_data_provider.to_csv(run / "train.csv")
    val_data_provider.to_csv(run / "val.csv")


# %% [markdown]
# ## Network
#
# Convolutions make a map of 8 rows and 32 columns. A bidirectional LSTM goes through it row by row,
# and gives for each of these 256 time steps the probability of every character and of the blank,
# which says "nothing new here" and keeps double letters apart. Decoding takes the most probable
# class of each step, merges repeats and drops blanks: `hh-e-ll-lo`, with `-` for the blank, is
# `hello`. `CTCLoss` adds up the probabilities of all outputs that decode to the word, so nobody has
# to say where in the image its characters are.
#
# `CWERMetric` gives the CER, edits divided by all characters, and the WER, the share of wrong
# words.

# %%
model = train_model(
    input_dim=(configs.height, configs.width, 3),
    output_dim=len(configs.vocab),
    dropout=configs.dropout,
)
if configs.start_from:  # "words_small" has the same network, trained on drawn words.
    trained = load_pretrained(configs.start_from, vocab=configs.vocab, color=True)
    model.set_weights(trained.get_weights())
else:
    start_with_blanks(model)  # Most time steps are blank; it need not find that out.
use_native_layers(model)  # fused kernels; the values stay the same
model.compile(
    optimizer=keras.optimizers.Adam(configs.learning_rate),
    loss=CTCLoss(),
    metrics=[CWERMetric(configs.vocab)],
)
model.summary(line_length=110)

# %% [markdown]
# ## Training
#
# Ctrl-C stops it safely. `model_path=Models/1_image_to_word/RUN` resumes it; `train_epochs=4` added
# to that extends a finished run.

# %%
steps = len(train_data_provider) * configs.train_epochs
by_cer = {"monitor": "val_CER", "mode": "min"}
callbacks = [
    LambdaCallback(on_train_begin=save_run),
    FollowSchedule.warmup_cosine(configs.learning_rate, steps),  # warm-up, then cosine decay
    # These two matter in longer runs. The first ends after 10 epochs without progress; the second
    # multiplies the rate of the schedule by 0.9 after 5.
    EarlyStopping(patience=10, **by_cer),
    ReduceLROnPlateau(factor=0.9, patience=5, min_delta=1e-10, **by_cer),
    ModelCheckpoint(run / "model.keras", save_best_only=True, **by_cer),  # the best epoch
    TrainLogger(run),  # logs.log: the metrics of each epoch
    *tensorboard(run / "logs", update_freq=1),  # to watch: tensorboard --logdir Models
    ConvergenceWatch(val_data_provider, log_path=run / "watch.log"),  # says why nothing is learned
    # Tests the export before the first epoch; at the end it compares the CER of Keras and ONNX.
    Model2onnx(run / "model.keras", {"vocab": configs.vocab}, validation=val_data_provider),
    KeepState(run / "state", settings={"vocab": configs.vocab}),  # to resume; must be last
]
history = fit_resumable(  # `model.fit` that can be resumed
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
# The ONNX file reads the validation words; `readings.png` shows some of them.

# %%
plot_history(run / "curves.png", history)
found = evaluate_export(run, read_csv(run / "val.csv"))
print(
    f"model.onnx on {found.num_samples} validation words: CER {found.cer}, "
    f"mean per word {found.mean_cer}, WER {found.wer}"
)
print(f"Run folder: {run}")
