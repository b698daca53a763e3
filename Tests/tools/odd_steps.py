"""Steps for worker processes, which would have to import Keras to find them in a test module."""

import numpy as np


class OddError(ValueError):
    """One that cannot be pickled, like many with two arguments."""

    def __init__(self, path, why):
        super().__init__(f"{path}: {why}")


def refuse_five(data, label):
    if label == "05":
        raise OddError("05.png", "bad header")
    return data, label


def as_objects(data, label):
    return data, np.array([label, None], object)


def fields(data, label):
    return data, np.array((len(label), 0.5), [("length", "i4"), ("half", "f8")])


def as_lambda(data, label):
    return data, np.array(lambda: label, object)
