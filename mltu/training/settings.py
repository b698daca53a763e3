"""The settings of a training, as they stand in `configs.yaml`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from mltu.configs import BaseModelConfigs
from mltu.models import column_reader, row_reader, strong_reader


class Network(NamedTuple):
    """A network that can be trained, with the peak learning rate that suits it."""

    build: Any
    channels: int
    learning_rate: float


NETWORKS = {
    "columns": Network(column_reader, 3, 2e-3),
    "rows": Network(row_reader, 3, 3e-3),
    "strong": Network(strong_reader, 1, 1.5e-3),
}


_STEPS = 5000  # of a training for which nobody said how long it should be
_EPOCHS = (10, 1000)


def enough_epochs(num_samples: int, batch_size: int) -> int:
    """Return how many epochs make 5,000 steps, in 10..1000: few images are shown more often."""
    steps_per_epoch = max(-(-num_samples // batch_size), 1)
    least, most = _EPOCHS
    return min(max(-(-_STEPS // steps_per_epoch), least), most)


class ReaderConfigs(BaseModelConfigs):
    """Settings of one run; `train_reader` fills in what it learns from the data.

    The names are those of tutorial 01. `data` and `validation` are the paths that the samples came
    from, if they came from one; `color` is that of the model's input, `"BGR"` or `"GRAY"`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model_path = str(Path("runs") / datetime.now().strftime("%Y%m%d%H%M%S"))
        self.data: str | None = None
        self.validation: str | None = None
        self.vocab = ""
        self.height = 32
        self.width = 128
        self.color = "BGR"
        self.max_text_length = 0
        self.model = "columns"
        self.batch_size = 32
        self.precision = "float32"
        self.learning_rate = 0.0
        self.train_epochs = 0
        self.train_workers = 2
        self.augment = True
        self.seed = 0
