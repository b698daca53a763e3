"""The network: residual convolutions that keep the columns apart, an LSTM, and a softmax."""

from mltu.models import column_reader


def sentence_model(configs):
    """Build a reader of grey lines of any width divisible by 4, with width / 4 time steps."""
    shape = (configs.height, None, 1)
    return column_reader(shape, len(configs.vocab), dropout=configs.dropout)
