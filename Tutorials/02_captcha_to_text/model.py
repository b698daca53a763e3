"""The network: residual convolutions that keep the columns apart, an LSTM, and a softmax."""

from mltu.models import column_reader


def captcha_model(configs):
    """Build a reader of grey captchas with width / 4 time steps."""
    shape = (configs.height, configs.width, 1)
    return column_reader(shape, len(configs.vocab), dropout=configs.dropout)
