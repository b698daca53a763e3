"""The reader of words and lines: `mltu.models.text_reader` as it is trained here."""

from drawing import CHANNELS, HEIGHT

from mltu import models

# Each batch has one width and some kinds of images, so inference needs the mean of many batches.
MOMENTUM = 0.99


def text_reader(num_characters):
    """Build the reader of images of any width."""
    return models.text_reader((HEIGHT, None, CHANNELS), num_characters, MOMENTUM)
