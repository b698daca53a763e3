"""The settings of a training run: those of tutorial 03, for wider images."""

from datetime import datetime

from mltu.configs import BaseModelConfigs


class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/4_sentence_recognition/{now}"  # a run that exists is resumed
        self.data = ""  # folder of IAM, with lines.txt and lines/; if empty, lines are drawn
        self.num_drawn = 5_000  # lines to draw, at least 100
        self.limit = 0  # use only the first samples of each part; 0 for all
        self.vocab = ""  # filled in: the characters of all labels, with the space
        self.max_text_length = 0  # filled in: the length of the longest label
        self.start_from = "words"  # reader to start from; if empty, train it from scratch
        self.height = 32  # that of the reader
        # A line takes the smallest of these that holds it; a longer one is scaled down to fit.
        self.width = [160, 320, 480, 640, 960, 1280]
        self.color = "BGR"  # not to be set: what train.py reads, for `mltu export RUN`
        self.resize = "fit"  # not to be set: padded, not stretched; for `mltu export RUN`
        self.padding_color = [255, 255, 255]
        self.batch_size = 16
        self.learning_rate = 1e-3  # the peak, between warm-up and cosine decay
        self.train_epochs = 2
        self.train_workers = 2  # threads that prepare batches
        self.precision = "float32"  # "mixed_bfloat16" is faster on CPUs and GPUs that support it
        self.seed = 0
