"""The settings of a training run. The run folder gets them as configs.yaml."""

from datetime import datetime

from mltu.configs import BaseModelConfigs
from mltu.synthetic import LATIN


class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/7_words_from_fonts/{now}"  # a run that exists is resumed
        self.atlas = ""  # folder that font_tools.py wrote; the 19 shipped fonts if empty
        self.texts = ""  # file that word_lists.py wrote; English words if empty
        self.vocab = LATIN
        self.width = 128  # images are resized to it
        self.height = 32
        self.max_text_length = 26  # of a label; words of up to 26 characters are drawn
        self.filters = 32  # of the first layer; the others have multiples of it
        self.batch_size = 64
        self.learning_rate = 1.5e-3  # the peak
        self.train_epochs = 32  # of images_per_epoch each: 2 million images
        self.images_per_epoch = 64_000  # new ones in each epoch
        self.num_validation = 1_280  # words, drawn once
        self.decay_share = 0.25  # of training, at its end, in which the rate falls to 0
        self.train_workers = 1  # threads that draw; one feeds training on two CPU cores
        self.precision = "float32"  # "mixed_bfloat16" is faster on CPUs and GPUs that support it
        self.seed = 0
