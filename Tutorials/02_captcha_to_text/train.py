# %% [markdown]
# # From captchas to text
#
# Trains a reader of captchas on a folder of images whose names are their texts. `python train.py
# --help` lists the settings of configs.py, `python train.py train_epochs=1 limit=40` changes two.

# %%
from pathlib import Path

import cv2
import keras
from configs import ModelConfigs
from data import draw_captchas, hold_out, shift_and_shear
from keras.callbacks import LambdaCallback, ModelCheckpoint
from model import train_model

from mltu.augmentors import ImageTransform, RandomBrightness, RandomErodeDilate, RandomRotate
from mltu.callbacks import ConvergenceWatch, FollowSchedule, Model2onnx, TrainLogger, tensorboard
from mltu.dataProvider import DataProvider
from mltu.datasets import open_samples
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import use_native_layers
from mltu.plots import plot_history
from mltu.preprocessors import ImageReader
from mltu.resume import KeepState, fit_resumable
from mltu.training import evaluate_export, start_with_blanks
from mltu.transformers import ExpandDims, ImageResizer, LabelIndexer, LabelPadding

configs = ModelConfigs.from_command_line()
run = Path(configs.model_path)
keras.utils.set_random_seed(configs.seed)
keras.config.set_dtype_policy(configs.precision)

# %% [markdown]
# ## Data
#
# `data=FOLDER` has images such as `226md.png`, or `226md_1.png` where a text occurs twice. Without
# it, captchas are drawn. mixed.py trains on harder ones.

# %%
if not configs.data:
    configs.data = configs.stand_in
    draw_captchas(Path(configs.data), configs.num_drawn, "plain", configs.seed)
configs.data = str(Path(configs.data).resolve())

samples = open_samples(configs.data, label_pattern="[^_]+")[: configs.limit or None]
training, validation = hold_out(samples, configs.num_folds, configs.fold, configs.seed)
configs.vocab = "".join(sorted(set("".join(samples.labels))))
configs.max_text_length = max(map(len, samples.labels))
print(f"{len(training)} captchas to train on, {len(validation)} held out; {configs.vocab}")

# %% [markdown]
# ## Batches
#
# Grey images, (16, 48, 192, 1). A thousand captchas are few, so each epoch shows them shifted,
# slanted, rotated, darker or with thicker strokes.


# %%
def provide(samples, **options):
    return DataProvider(
        samples,
        data_preprocessors=[ImageReader(cv2.IMREAD_GRAYSCALE)],
        transformers=[
            ImageResizer(configs.width, configs.height),
            ExpandDims(),
            LabelIndexer(configs.vocab),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        batch_size=configs.batch_size,
        seed=configs.seed,
        workers=configs.train_workers,
        **options,
    )


augmentors = [
    RandomBrightness(),
    RandomRotate(angle=5),
    RandomErodeDilate(probability=0.3),
    ImageTransform(shift_and_shear),
]
train_data_provider = provide(training, augmentors=augmentors)
val_data_provider = provide(validation, shuffle=False)


def save_run(logs=None):
    """Called when training begins, so that a resume that is refused has changed no file."""
    configs.save()
    train_data_provider.to_csv(run / "train.csv")
    val_data_provider.to_csv(run / "val.csv")


# %% [markdown]
# ## Network

# %%
model = train_model(
    input_dim=(configs.height, configs.width, 1),
    output_dim=len(configs.vocab),
    dropout=configs.dropout,
)
start_with_blanks(model)  # Most time steps are blank; it need not find that out.
use_native_layers(model)  # the fused kernels of the backend
model.compile(
    optimizer=keras.optimizers.Adam(configs.learning_rate),
    loss=CTCLoss(),
    metrics=[CWERMetric(configs.vocab)],
)

# %% [markdown]
# ## Training
#
# The held-out captchas test the reader; they choose neither the epoch nor the rate. Ctrl-C stops
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
    Model2onnx(
        run / "model.keras",
        metadata={"vocab": configs.vocab, "color": configs.color},
        validation=val_data_provider,
    ),
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
found = evaluate_export(run, validation)
print(f"{found.num_samples} captchas held out: {found.exact} exact, CER {found.cer}")
print(f"Run folder: {run}")
