"""The settings of a training run. The run folder gets them as configs.yaml."""

from datetime import datetime

from mltu.configs import BaseModelConfigs


class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/2_captcha_to_text/{now}"  # a run that exists is resumed
        self.data = ""  # folder of images named after their texts; if empty, captchas are drawn
        self.num_drawn = 1_040  # captchas to draw
        self.limit = 0  # use only the first captchas; 0 for all
        self.num_folds = 10  # equal parts; one of them is for validation
        self.fold = 0  # which one
        self.vocab = ""  # filled in: the characters of all labels
        self.max_text_length = 0  # filled in: the length of the longest label
        self.height = 48
        self.width = 192  # 48 time steps, for 5 or 6 characters
        self.color = "GRAY"  # not to be set: what train.py reads, for `mltu export RUN`
        self.dropout = 0.2
        self.batch_size = 16
        self.learning_rate = 2e-3  # the peak, between warm-up and cosine decay
        self.train_epochs = 60
        self.train_workers = 2  # threads that prepare batches
        self.precision = "float32"  # "mixed_bfloat16" is faster on CPUs and GPUs that support it
        self.seed = 0

    @property
    def stand_in(self):
        """The folder of the captchas that are drawn without `data`."""
        return f"Datasets/captcha_stand_in/plain_{self.num_drawn}_{self.seed}"


class MixedConfigs(BaseModelConfigs):
    """The settings of mixed.py, which draws all its captchas."""

    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/2_captcha_to_text/{now}"  # a run that exists is resumed
        self.num_drawn = 12_000  # captchas that are drawn in each epoch
        self.num_validation = 400  # captchas that are drawn once
        self.vocab = ""  # filled in: the characters of the captchas
        self.max_text_length = 0  # filled in: that of the longest captcha
        self.height = 32  # that of the reader to start from
        self.width = 128  # 64 time steps, for up to 6 characters
        self.color = "BGR"  # not to be set: what mixed.py reads, for `mltu export RUN`
        self.batch_size = 32
        self.learning_rate = 1e-3  # the peak, between warm-up and cosine decay
        self.train_epochs = 10
        self.train_workers = 1  # threads that draw
        self.precision = "float32"  # "mixed_bfloat16" is faster on CPUs and GPUs that support it
        self.seed = 0
