"""The settings of a training run. The run folder gets them as configs.yaml."""

from datetime import datetime

from mltu.configs import BaseModelConfigs


class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/1_image_to_word/{now}"  # a run that exists is resumed
        self.data = ""  # folder of MJSynth; if empty, words are drawn
        self.num_train = 44_000  # training words to draw
        self.num_validation = 2_000  # validation words to draw
        self.limit = 0  # use only the first words of each list; 0 for all
        self.vocab = ""  # not to be set: the characters of the training labels
        self.max_text_length = 0  # not to be set: the length of the longest label
        self.height = 32
        self.width = 128
        self.start_from = ""  # a trained reader of the same network, such as "words_small"
        self.augment = False  # change the training images at random
        self.dropout = 0.0  # 0.2 if images are seen more than a few times
        self.batch_size = 32  # as fast as 64 per image, with twice as many steps
        self.learning_rate = 3e-3  # the peak, between warm-up and cosine decay
        self.train_epochs = 2
        self.train_workers = 2  # threads that prepare batches
        self.precision = ""  # "float32" or "mixed_bfloat16"; if empty, the faster one here
        self.seed = 0
