"""The settings of a training run. The run folder gets them as configs.yaml."""

from datetime import datetime

from mltu.configs import BaseModelConfigs


class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/3_handwriting_recognition/{now}"  # a run that exists is resumed
        self.data = ""  # folder of IAM, with words.txt and words/; if empty, words are drawn
        self.num_drawn = 12_000  # words to draw, at least 250
        self.limit = 0  # use only the first samples of each part; 0 for all
        self.vocab = ""  # filled in: the characters of all labels
        self.max_text_length = 0  # filled in: the length of the longest label
        self.start_from = "words"  # reader to start from; if empty, train it from scratch
        self.height = 32  # that of the reader
        self.width = [64, 96, 128, 192]  # a word takes the smallest that holds it
        self.color = "BGR"  # not to be set: what train.py reads, for `mltu export RUN`
        self.resize = "fit"  # not to be set: padded, not stretched; for `mltu export RUN`
        self.padding_color = [255, 255, 255]  # IAM's words are cropped onto white
        self.batch_size = 32
        self.learning_rate = 1e-3  # the peak, between warm-up and cosine decay
        self.train_epochs = 3
        self.train_workers = 2  # threads that prepare batches
        self.precision = "float32"  # "mixed_bfloat16" is faster on CPUs and GPUs that support it
        self.seed = 0
