"""The settings to choose; everything else is chosen from the data."""

from datetime import datetime

from mltu.configs import BaseModelConfigs


class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        self.model_path = f"Models/6_your_own_data/{now}"  # a run that exists is resumed
        self.data = ""  # your table or folder; if empty, serial numbers are drawn
        self.num_drawn = 500  # serial numbers to draw
        self.train_epochs = 0  # 0 to choose it by the number of images
