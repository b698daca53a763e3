"""Every setting of this tutorial, saved as configs.yaml beside the model."""

from datetime import datetime
from pathlib import Path

from mltu.configs import BaseModelConfigs

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "Models" / "3_handwriting_recognition"
IAM = ROOT / "Datasets" / "IAM"
STAND_IN = ROOT / "Datasets" / "handwriting_stand_in"


class ModelConfigs(BaseModelConfigs):
    """Settings of one run; `train.py` fills in what it learns from the data."""

    def __init__(self):
        super().__init__()
        self.model_path = str(RUNS / datetime.now().strftime("%Y%m%d%H%M"))
        self.vocab = ""  # the sorted characters of all labels
        self.max_text_length = 0  # the longest label
        self.height = 32
        self.width = 160  # at the height of 32 most words of IAM are narrower: 40 time steps
        self.color = "GRAY"
        self.resize = "fit"  # as wide as it was written, not stretched, in the middle of the paper
        self.padding_color = [255]  # IAM's words are cut out on white
        self.dropout = 0.0  # a sixth slower where it is above 0; worth a try on all of IAM
        self.batch_size = 32
        self.precision = "float32"
        self.learning_rate = 2e-3  # the peak, after a warm-up and before the cosine decay
        self.train_epochs = 7
        self.train_workers = 2  # threads
        self.seed = 0
