"""The settings of a training run. The run folder gets them as configs.yaml."""

import string
from datetime import datetime

from mltu.configs import BaseModelConfigs


class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/5_spoken_digits/{now}"  # a run that exists is resumed
        self.data = ""  # folder with recordings/7_jackson_32.wav; if empty, a synthesizer speaks
        self.limit = 0  # use only the first takes of each digit by each speaker; 0 for all
        self.held_out = []  # speakers for validation; every sixth by name if empty
        self.vocab = string.digits
        self.sample_rate = 8_000  # of the data set; other recordings are converted
        self.window = 0.025  # seconds
        self.hop = 0.01  # seconds; four of them make a time step of the model
        self.num_mels = 40
        self.max_text_length = 6  # digits of a string; the shortest has two
        self.max_frames = 0  # filled in: spectrogram frames of the longest string
        self.batch_size = 32
        self.learning_rate = 2e-3  # the peak, between warm-up and cosine decay
        self.train_epochs = 12
        self.strings_per_epoch = 2_048  # new ones in each
        self.num_validation = 400  # strings of the held-out speakers
        self.train_workers = 2  # threads that prepare batches
        self.precision = "float32"  # "mixed_bfloat16" is faster on CPUs and GPUs that support it
        self.seed = 0
