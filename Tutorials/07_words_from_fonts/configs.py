"""Every setting of this tutorial, saved as configs.yaml beside the model."""

from datetime import datetime
from pathlib import Path

from mltu.configs import BaseModelConfigs
from mltu.synthetic import LATIN

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "Models" / "7_words_from_fonts"


class ModelConfigs(BaseModelConfigs):
    """Settings of one run."""

    def __init__(self):
        super().__init__()
        self.model_path = str(RUNS / datetime.now().strftime("%Y%m%d%H%M"))
        self.vocab = LATIN
        self.atlas = ""  # folder of a font atlas; the shipped fonts if empty
        self.texts = ""  # words and prose of several languages; English words if empty
        self.height = 32
        self.width = 128
        self.max_text_length = 26
        self.model = "strong"
        self.batch_size = 64
        self.precision = "float32"  # "mixed_bfloat16" is faster where the processor knows it
        self.learning_rate = 1.5e-3
        self.num_images = 2_000_000
        self.decay_share = 0.25  # of the images, during which the rate falls to nothing
        self.images_per_epoch = 64_000
        self.train_workers = 1  # threads that draw; one feeds a training on two CPU cores
        self.seed = 0
