# %% [markdown]
# # A reader for your own images
#
# From images and a table of their labels to one small ONNX file: check the data, train, look at
# the report and at the labels that seem wrong. `python train.py data=labels.csv`; `--help` lists
# the settings of configs.py.

# %%
from pathlib import Path

from configs import ModelConfigs
from data import draw_serial_numbers

from mltu.data_check import check_data, write_sheet
from mltu.datasets import open_samples, read_csv
from mltu.evaluation import Sample, review_labels, write_report
from mltu.inferenceModel import TextRecognizer
from mltu.training import resume_reader, train_reader

configs = ModelConfigs.from_command_line()
run = Path(configs.model_path)

# %% [markdown]
# ## Data
#
# A CSV file with the columns `path` and `label`, a folder of images named after their labels, an
# LMDB, or a folder in the layout of MJSynth. Without any, serial numbers are drawn to try it out.

# %%
if not configs.data:
    folder = Path(f"Datasets/serial_numbers_{configs.num_drawn}")
    draw_serial_numbers(folder, configs.num_drawn)
    configs.data = f"{folder}/labels.csv"
samples = open_samples(configs.data)
print(f"{len(samples)} samples, such as {samples[0]}")

# %% [markdown]
# ## 1. Check
#
# Every image and label is read once: missing and broken files, labels that lost their zeros, rare
# characters, duplicates, labels too long for their image. Fix the errors before you train, and
# understand the warnings. `data_check.png` shows the images, faulty ones first.

# %%
report = check_data(samples)
print(report.to_text())
report.write_json(run / "data_check.json")
write_sheet(run / "data_check.png", report, samples)
if not report.ok:
    raise SystemExit("Fix the errors above, or leave these samples out, and run it again.")

# %% [markdown]
# ## 2. Train
#
# Training starts from the reader that comes with the library. It has learned from hundreds of
# thousands of drawn words and lines how letters look; your images teach it what is special about
# them, and a few hundred are enough. From scratch (`start_from="none"`) a network emits only
# blanks for hundreds of steps and needs thousands of images; that is for characters that the
# reader does not know.
#
# What is chosen for your data is printed with the reason: initial weights, the size of the input,
# the number of epochs. Each is an argument of `train_reader`. A tenth of the data is for
# validation. Ctrl-C stops training safely, `model_path=RUN` resumes it.

# %%
epochs = configs.train_epochs or None
if (run / "state").is_dir():
    resume_reader(run, epochs=epochs)
else:
    train_reader(configs.data, output=run, epochs=epochs)

# %% [markdown]
# ## 3. Report
#
# What the ONNX file reads of the validation images. `report.html` shows the worst readings, which
# characters are confused, and above which confidence a reading can be trusted.

# %%
validation = read_csv(run / "val.csv")
readings = TextRecognizer(run).predict_batch(validation.data, on_error="keep")
rows = [
    Sample(path, label, reading.text, reading.confidence)
    for (path, label), reading in zip(validation, readings, strict=True)
]
found = write_report(run / "report.html", rows, title="Validation images")
print(f"{found.num_samples} validation images: {found.exact} exact, CER {found.cer}")

# %% [markdown]
# ## 4. Wrong labels
#
# Of labels typed by hand one or two in a hundred are wrong, soon most of the remaining errors.
# Where a confident reading differs from a label that was not trained on, the label is suspect.
# `mltu check labels.csv --folds 4` checks the others: it trains four readers, each of which
# reads the held-out quarter.

# %%
texts, confidences = zip(*[(r.text, r.confidence) for r in readings], strict=True)
review = review_labels(texts, confidences, validation.labels)
print(review.to_text(dict(enumerate(validation.data))))
print(f"Read others with: mltu read IMAGES --model {run}")
