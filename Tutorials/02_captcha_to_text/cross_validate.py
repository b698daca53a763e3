"""Hold out each part of the captchas once, and count how many of all are read exactly.

python cross_validate.py [num_folds=5] [pattern=[a-z0-9]{5}] [name=value of train.py ...]

Run again with the same model_path and settings, it continues where it was stopped.
"""

import json
import subprocess
import sys
from pathlib import Path

from configs import ModelConfigs
from inferenceModel import CaptchaReader

from mltu.datasets import read_csv
from mltu.decoders import Pattern
from mltu.evaluation import evaluate_readings
from mltu.plots import write_readings
from mltu.preprocessors import ImageReader


class FoldConfigs(ModelConfigs):
    def __init__(self):
        super().__init__()
        self.model_path = "Models/2_captcha_to_text/folds"  # with a run folder for each fold
        self.num_folds = 5
        self.pattern = ""  # the form of every text; if given, it is read with and without it


def require_same_settings(run, arguments):
    """Refuse a fold that was trained with other settings: the folds are counted together."""
    if not (run / "configs.yaml").is_file():
        return
    before, now = ModelConfigs.load(run / "configs.yaml"), ModelConfigs.from_command_line(arguments)
    now.data = str(Path(now.data or now.stand_in).resolve())
    for name, value in vars(now).items():
        is_chosen = name not in ("model_path", "vocab", "max_text_length")
        if is_chosen and value != vars(before)[name]:
            raise SystemExit(
                f"{run} was trained with {name}={vars(before)[name]}. Received {name}={value}. "
                "Pass another model_path."
            )


def evaluate(name, readings, labels):
    found = evaluate_readings([reading.text for reading in readings], labels)
    print(f"{name}: {found.num_samples} captchas, {found.exact} exact, CER {found.cer}")
    return found._asdict()


configs = FoldConfigs.from_command_line()
Pattern(configs.pattern)  # A mistake in it should not show after the first fold alone.
own = ("model_path=", "num_folds=", "pattern=")
settings = [word for word in sys.argv[1:] if not word.removeprefix("--").startswith(own)]
patterns = {"greedy": None, configs.pattern or "greedy": configs.pattern or None}
readings, labels, paths = {name: [] for name in patterns}, [], []
for fold in range(configs.num_folds):
    run = Path(configs.model_path) / f"fold_{fold}"
    fixed = [f"fold={fold}", f"num_folds={configs.num_folds}"]
    require_same_settings(run, [*settings, *fixed])
    if not (run / "model.onnx").is_file():
        script = Path(__file__).with_name("train.py")
        command = [sys.executable, script, *settings, *fixed, f"model_path={run}"]
        subprocess.run(command, check=True)
    held_out = read_csv(run / "val.csv")
    paths += held_out.data
    labels += held_out.labels
    for name, pattern in patterns.items():
        found = CaptchaReader(run, pattern).predict_batch(held_out.data, on_error="keep")
        evaluate(f"fold {fold}, {name}", found, list(held_out.labels))
        readings[name] += found
rates = {name: evaluate(f"all, {name}", found, labels) for name, found in readings.items()}
print(json.dumps(rates))

# The wrong readings first, then the right ones of least confidence.
rows = zip(paths, readings["greedy"], labels, strict=True)
rows = [row for row in rows if row[1].error is None]
rows.sort(key=lambda row: (row[1].text == row[2], row[1].confidence))
images, shown, truths = zip(*rows[:24], strict=True)
write_readings(
    Path(configs.model_path) / "worst.png",
    [ImageReader().read(path) for path in images],
    [(reading.text, reading.confidence) for reading in shown],
    truths,
)
