# %% [markdown]
# # Spoken digits
#
# Trains a reader of spoken digit strings. `python train.py --help` lists the settings of
# configs.py, `python train.py limit=2 strings_per_epoch=64 train_epochs=2` changes three.

# %%
from pathlib import Path

import keras
from configs import ModelConfigs
from data import DigitStrings, divide, read_recordings, write_strings
from inferenceModel import SpokenDigits, evaluate
from keras.callbacks import LambdaCallback, ModelCheckpoint
from model import train_model
from voices import TAKES, write_stand_in

from mltu.audio import AudioReader, MelSpectrogram, RandomNoise, RandomStretch, SpectrogramPadding
from mltu.callbacks import ConvergenceWatch, FollowSchedule, Model2onnx, TrainLogger, tensorboard
from mltu.dataProvider import DataProvider
from mltu.datasets import Samples, write_csv
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import use_native_layers
from mltu.plots import plot_history
from mltu.resume import KeepState, fit_resumable
from mltu.training import start_with_blanks
from mltu.transformers import LabelIndexer, LabelPadding

SLOWEST, FASTEST = 0.85, 1.2  # speeds of the strings in training
MULTIPLE = 64  # frames: batches are padded to multiples of it

configs = ModelConfigs.from_command_line()
run = Path(configs.model_path).resolve()
keras.utils.set_random_seed(configs.seed)
keras.config.set_dtype_policy(configs.precision)

# %% [markdown]
# ## Data
#
# `data=FOLDER` names the folder of the Free Spoken Digit Dataset, with files such as
# `recordings/7_jackson_32.wav`. Without it, a speech synthesizer speaks the digits. Some speakers
# are held out; they show how the reader does with voices that it has never heard.

# %%
if not configs.data:
    takes = min(configs.limit or TAKES, TAKES)
    configs.data = str(write_stand_in(Path("Datasets/free-spoken-digit-dataset_stand_in"), takes))
configs.data = str(Path(configs.data).resolve())

recordings = read_recordings(Path(configs.data), configs.limit or None)
training, held_out, configs.held_out = divide(recordings, configs.held_out)
print(f"{len(training)} recordings to train on; held out: {', '.join(configs.held_out)}")

# Recordings of one speaker are joined into strings of digits.
strings, held_out_strings = (
    DigitStrings(part, configs.sample_rate, configs.max_text_length)
    for part in (training, held_out)
)
longest = max(strings.longest() / SLOWEST, held_out_strings.longest())
frames = int(longest / configs.sample_rate / configs.hop)
configs.max_frames = (frames // MULTIPLE + 1) * MULTIPLE

validation = Samples.from_pairs(
    write_strings(run / "val", held_out_strings, configs.num_validation, configs.seed)
)


def save_run(logs=None):
    """Called when training begins, so that a resume that is refused has changed no file."""
    configs.save()
    write_csv(run / "train.csv", [(recording.path, recording.digit) for recording in training])
    write_csv(run / "val.csv", validation)


# %% [markdown]
# ## Batches
#
# Spectrograms, (32, time, 40). Each training string is new: `strings` puts one in the place of
# each empty sample. It is played faster or slower, with noise.

# %%
options = {
    "transformers": [
        MelSpectrogram(configs.sample_rate, configs.window, configs.hop, configs.num_mels),
        SpectrogramPadding(configs.max_frames, MULTIPLE),
        LabelIndexer(configs.vocab),
        LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
    ],
    "batch_size": configs.batch_size,
    "seed": configs.seed,
    "workers": configs.train_workers,
}
train_data_provider = DataProvider(
    [("", "")] * configs.strings_per_epoch,
    data_preprocessors=[],
    augmentors=[strings, RandomStretch(0.8, SLOWEST, FASTEST), RandomNoise(0.8, 5, 40)],
    skip_validation=True,
    **options,
)
val_data_provider = DataProvider(
    validation, data_preprocessors=[AudioReader(configs.sample_rate)], shuffle=False, **options
)

# %% [markdown]
# ## Network

# %%
model = train_model(input_dim=(None, configs.num_mels), output_dim=len(configs.vocab))
start_with_blanks(model)  # Otherwise it first has to unlearn random text.
use_native_layers(model)  # the fused kernels of the backend
model.compile(
    optimizer=keras.optimizers.Adam(configs.learning_rate),
    loss=CTCLoss(),
    metrics=[CWERMetric(configs.vocab)],
)

# %% [markdown]
# ## Training
#
# The held-out speakers test the reader; they choose neither the epoch nor the rate. Ctrl-C stops
# training safely, `python train.py model_path=RUN` resumes it.

# %%
steps = len(train_data_provider) * configs.train_epochs
callbacks = [
    LambdaCallback(on_train_begin=save_run),
    FollowSchedule.warmup_cosine(configs.learning_rate, steps),  # warm-up, then cosine decay
    ModelCheckpoint(run / "model.keras"),  # the last epoch
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

# %%
plot_history(run / "curves.png", history)
evaluate(SpokenDigits(run), validation)
print(f"Run folder: {run}")
