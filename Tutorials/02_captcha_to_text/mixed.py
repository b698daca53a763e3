# %% [markdown]
# # Captchas that are drawn during training
#
# Four to six of 57 letters and digits, struck through three times, are too much to learn from a
# few thousand captchas. So each epoch draws new ones, and training starts from the shipped
# reader. `python mixed.py --help` lists the settings, `python mixed.py
# train_epochs=1 num_drawn=200` changes two.

# %%
from pathlib import Path

import keras
from configs import MixedConfigs
from data import STYLES, DrawCaptcha, draw_captchas
from keras.callbacks import LambdaCallback

from mltu.dataProvider import DataProvider
from mltu.datasets import open_samples
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer
from mltu.models import load_pretrained, refresh_statistics
from mltu.preprocessors import ImageReader
from mltu.training import compile_reader, evaluate_export, fit_reader
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

configs = MixedConfigs.from_command_line()
run = Path(configs.model_path)
keras.utils.set_random_seed(configs.seed)
keras.config.set_dtype_policy(configs.precision)

# %% [markdown]
# ## Data
#
# Only the validation captchas are files, which are drawn once.

# %%
characters, _, configs.max_text_length, _ = STYLES["mixed"]
configs.vocab = "".join(sorted(characters))
folder = Path(f"Datasets/captcha_stand_in/mixed_{configs.num_validation}_{configs.seed}")
draw_captchas(folder, configs.num_validation, "mixed", configs.seed)
validation = open_samples(folder, label_pattern="[^_]+")

# %% [markdown]
# ## Batches
#
# Images of (32, 32, 128, 3). A training sample is empty; the first step puts a captcha in its
# place, which depends on nothing but the seed, the epoch and the sample index.


# %%
def provide(samples, **options):
    return DataProvider(
        samples,
        transformers=[
            ImageResizer(configs.width, configs.height),
            LabelIndexer(configs.vocab),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        batch_size=configs.batch_size,
        seed=configs.seed + 1,  # not that of the validation captchas
        skip_validation=True,
        workers=configs.train_workers,
        **options,
    )


empty = [("", "")] * configs.num_drawn
train_data_provider = provide(empty, data_preprocessors=[], augmentors=[DrawCaptcha("mixed")])
val_data_provider = provide(validation, data_preprocessors=[ImageReader()], shuffle=False)


def save_run(logs=None):
    """Called when training begins, so that a resume that is refused has changed no file."""
    configs.save()
    val_data_provider.to_csv(run / "val.csv")


# %% [markdown]
# ## Network
#
# The reader keeps its weights for the characters that it knows. Its batch normalization is fitted
# to these images first, so that the first steps do not destroy what it knows.

# %%
model = load_pretrained("words", vocab=configs.vocab)
first = range(min(len(train_data_provider), 32))
refresh_statistics(model, (train_data_provider[i][0] for i in first))
compile_reader(model, configs.learning_rate, configs.vocab, is_new=False)

# %% [markdown]
# ## Training
#
# Loss, optimizer, schedule and callbacks are those of train.py; `fit_reader` has them. The
# weights of the last epoch are exported: validation chooses nothing. Ctrl-C stops it safely,
# `python mixed.py model_path=RUN` resumes it.

# %%
fit_reader(
    model,
    train_data_provider,
    val_data_provider,
    run,
    epochs=configs.train_epochs,
    learning_rate=configs.learning_rate,
    metadata={"vocab": configs.vocab, "color": configs.color},
    callbacks=[LambdaCallback(on_train_begin=save_run)],
    keep_best=False,
    resume=True,
)

# %% [markdown]
# ## Result
#
# The package stretches every symbol to one height: a small `c`, `s` or `x` differs from its
# capital only by the proportions of its strokes. The second line ignores that.

# %%
evaluate_export(run, validation)  # writes readings.png
readings = [reading.text for reading in TextRecognizer(run).predict_batch(validation.data)]
for name, change in (("with case", str), ("case ignored", str.lower)):
    found = evaluate_readings(list(map(change, readings)), list(map(change, validation.labels)))
    print(f"{name}: {found.num_samples} captchas, {found.exact} exact, CER {found.cer}")
print(f"Run folder: {run}")
