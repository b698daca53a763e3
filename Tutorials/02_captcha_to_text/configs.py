"""Every setting of this tutorial, saved as configs.yaml beside the model."""

from datetime import datetime
from pathlib import Path

from mltu.configs import BaseModelConfigs

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "Models" / "2_captcha_to_text"
CAPTCHAS = ROOT / "Datasets" / "captcha_images_v2"


class ModelConfigs(BaseModelConfigs):
    """Settings of one run; `train.py` fills in what it learns from the data."""

    def __init__(self):
        super().__init__()
        self.model_path = str(RUNS / datetime.now().strftime("%Y%m%d%H%M"))
        self.vocab = ""  # the sorted characters of all labels
        self.height = 48
        self.width = 192  # 48 time steps, for 5 or 6 characters
        self.max_text_length = 0  # the longest label
        self.num_folds = 10  # one of them is held out: a tenth
        self.fold = 0
        self.dropout = 0.2
        self.batch_size = 16
        self.precision = "float32"
        self.learning_rate = 2e-3  # the peak, after a warm-up and before the cosine decay
        self.train_epochs = 60
        self.train_workers = 2  # threads
        self.seed = 0
