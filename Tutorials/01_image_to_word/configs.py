"""Every setting of this tutorial, saved as configs.yaml beside the model."""

from datetime import datetime
from pathlib import Path

from mltu.configs import BaseModelConfigs

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "Models" / "1_image_to_word"


class ModelConfigs(BaseModelConfigs):
    """Settings of one run; `train.py` fills in what it learns from the data."""

    def __init__(self):
        super().__init__()
        self.model_path = str(RUNS / datetime.now().strftime("%Y%m%d%H%M"))
        self.vocab = ""  # the sorted characters of the training labels
        self.height = 32
        self.width = 128
        self.max_text_length = 0  # the longest label
        self.model = "rows"  # the published network; "columns" learns in two thirds of the time
        self.dropout = 0.0  # two epochs never show an image often enough to overfit
        self.batch_size = 32  # twice the steps of 64 for the same images, at the same speed
        self.precision = "float32"  # "mixed_bfloat16" is faster where the processor knows it
        self.learning_rate = 3e-3  # the peak, after a short warm-up and before the cosine decay
        self.train_epochs = 2
        self.train_workers = 2  # threads; one or two keep a CPU busy
        self.seed = 0
