"""mltu: train your own readers of words, captchas and other sequences, and deploy them."""

__version__ = "2.0.0"
