"""Every setting of this tutorial, saved as configs.yaml beside the model."""

import string
from datetime import datetime
from pathlib import Path

from mltu.configs import BaseModelConfigs

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "Models" / "5_spoken_digits"


class ModelConfigs(BaseModelConfigs):
    """Settings of one run; `train.py` fills in what it learns from the data."""

    def __init__(self):
        super().__init__()
        self.model_path = str(RUNS / datetime.now().strftime("%Y%m%d%H%M"))
        self.vocab = string.digits
        self.sample_rate = 8_000  # of the data set; other recordings are converted
        self.window = 0.025  # seconds
        self.hop = 0.01  # seconds; four of them make a time step of the model
        self.num_mels = 40
        self.max_text_length = 6  # digits of a string; the least are two
        self.max_frames = 0  # of a spectrogram, for strings of the longest recordings
        self.held_out = []  # speakers whom the training never hears
        self.batch_size = 32
        self.precision = "float32"
        self.learning_rate = 2e-3  # the peak, after a short warm-up and before the cosine decay
        self.train_epochs = 12
        self.strings_per_epoch = 2_048  # new ones in each
        self.num_validation = 400  # strings of the speakers held out
        self.train_workers = 2  # threads that make batches
        self.seed = 0
