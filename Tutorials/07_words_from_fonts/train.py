# %% [markdown]
# # Words from fonts
#
# Trains a reader of words without a data set: each image is drawn when it is needed, and none is
# seen twice. `python train.py --help` lists the settings of configs.py, `python train.py
# train_epochs=2 images_per_epoch=256` changes two.

# %%
from pathlib import Path

import keras
import numpy as np
from configs import ModelConfigs
from keras.callbacks import LambdaCallback, ModelCheckpoint
from model import train_model

from mltu.callbacks import ConvergenceWatch, FollowSchedule, Model2onnx, TrainLogger, tensorboard
from mltu.dataProvider import DataProvider
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import use_native_layers
from mltu.plots import plot_history, write_readings
from mltu.resume import KeepState, fit_resumable
from mltu.synthetic import TextImages
from mltu.training import start_with_blanks
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

NUM_SHOWN = 48

configs = ModelConfigs.from_command_line()
run = Path(configs.model_path)
keras.utils.set_random_seed(configs.seed)
keras.config.set_dtype_policy(configs.precision)

# %% [markdown]
# ## Data
#
# `TextImages` draws words as they are on signs, far away, on scans and on screens, and codes.
# For training it also chooses the words; those for validation are drawn here, once.

# %%
for name in ("atlas", "texts"):  # whole paths: a run may be resumed from another folder
    if given := getattr(configs, name):
        setattr(configs, name, str(Path(given).resolve()))
kinds = {"scene_word": 5, "distant_word": 2, "scan_word": 1, "screen_word": 1, "code": 1}
options = {"height": configs.height, "color": False, "weights": kinds}
endless = TextImages(configs.atlas or None, configs.texts or None, new_texts=True, **options)
fixed = TextImages(endless.atlas, endless.texts, **options)

rng = np.random.default_rng([configs.seed, 1])
longest = configs.max_text_length
words = [endless.texts.draw(rng, "word", longest) for _ in range(configs.num_validation)]
words = [word for word in words if len(endless.atlas.fonts_for(word))]
print(f"{len(endless.atlas)} fonts, {len(words)} words to validate")


def save_run(logs=None):
    """Called when training begins, so that a resume that is refused has changed no file."""
    configs.save()


# %% [markdown]
# ## Batches
#
# Grey images, (64, 32, 128, 1). The first step is given no image: it draws one.


# %%
def provide(samples, images, **options):
    return DataProvider(
        samples,
        data_preprocessors=[],
        augmentors=[images],
        transformers=[
            ImageResizer(configs.width, configs.height),
            LabelIndexer(configs.vocab),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        batch_size=configs.batch_size,
        seed=configs.seed,
        skip_validation=True,
        **options,
    )


train_data_provider = provide(
    [("", "")] * configs.images_per_epoch, endless, workers=configs.train_workers, drop_last=True
)
val_data_provider = provide([("", word) for word in words], fixed, shuffle=False)

# %% [markdown]
# ## Network

# %%
model = train_model(
    input_dim=(configs.height, configs.width, 1),
    output_dim=len(configs.vocab),
    filters=configs.filters,
)
start_with_blanks(model)  # Most time steps are blank; it need not find that out.
use_native_layers(model)  # the fused kernels of the backend
model.compile(
    optimizer=keras.optimizers.AdamW(configs.learning_rate, weight_decay=1e-4, clipnorm=5.0),
    loss=CTCLoss(),
    metrics=[CWERMetric(configs.vocab)],
)

# %% [markdown]
# ## Training
#
# Ctrl-C stops it safely; `python train.py model_path=RUN` resumes it. The learning rate is
# constant for three quarters of the way, so until it falls `train_epochs=` may extend training.

# %%
steps = len(train_data_provider) * configs.train_epochs
corners = [0, min(1_000, steps // 10), steps * (1 - configs.decay_share), steps]
rates = [0, configs.learning_rate, configs.learning_rate, 0]
metadata = {"vocab": configs.vocab, "color": "GRAY"}
callbacks = [
    LambdaCallback(on_train_begin=save_run),
    FollowSchedule(lambda step: float(np.interp(step, corners, rates))),  # up, level, down to 0
    ModelCheckpoint(run / "model.keras", monitor="val_CER", mode="min", save_best_only=True),
    TrainLogger(run),  # logs.log: the metrics of each epoch
    *tensorboard(run / "logs", update_freq=1_000),
    ConvergenceWatch(val_data_provider, log_path=run / "watch.log"),  # says why nothing is learned
    Model2onnx(run / "model.keras", metadata, validation=val_data_provider),
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
# What the ONNX file reads on the validation images.

# %%
plot_history(run / "curves.png", history)
reader = TextRecognizer(run)
images = np.concatenate([val_data_provider[i][0] for i in range(len(val_data_provider))])
readings = [(reading.text, reading.confidence) for reading in reader.predict_batch(images)]
write_readings(run / "readings.png", images[:NUM_SHOWN], readings[:NUM_SHOWN], words[:NUM_SHOWN])
found = evaluate_readings([text for text, _ in readings], words)
print(f"model.onnx on {found.num_samples} words: CER {found.cer}, exactly right {found.exact}")
print(f"Run folder: {run}")
