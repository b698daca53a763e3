"""Samples that cannot be read: replaced or skipped, counted, and never too many."""

import logging

import numpy as np
import pytest

from mltu.data._bad_samples import BadSamples
from mltu.data._batches import replacement
from mltu.dataProvider import DataProvider
from mltu.transformers import Transformer


def read_unless_bad(data, label):
    """A preprocessor: negative numbers stand for files that cannot be read."""
    if data < 0:
        raise ValueError(f"cannot read {data}")
    return np.array([data]), np.array([label])


def make(num_samples, bad, **options):
    samples = [(-i if i in bad else i, i) for i in range(num_samples)]
    options = {"batch_size": 10, "skip_validation": True, **options}
    return DataProvider(samples, [read_unless_bad], **options)


def contents(provider):
    return [row for i in range(len(provider)) for row in provider[i][0][:, 0].tolist()]


def test_replaced_samples_keep_the_shape_and_are_the_same_every_time():
    provider = make(50, {3, 17})
    first = contents(provider)
    assert len(first) == 50
    assert not {3, 17} & set(first)
    assert first == contents(provider) == contents(make(50, {3, 17}))
    provider.set_position(2)
    assert sorted(contents(provider)) != sorted(first)  # Another stand-in in another epoch.


def test_a_stand_in_brings_its_own_label():
    for data, labels in (make(50, {3, 17})[i] for i in range(5)):
        assert (data == labels).all()


def test_skipped_samples_make_the_batch_smaller():
    provider = make(50, {3, 17}, on_bad_sample="skip")
    assert sorted(contents(provider)) == sorted(set(range(50)) - {3, 17})


def test_a_batch_of_skipped_samples_alone_says_so():
    provider = make(50, {3}, on_bad_sample="skip", batch_size=1, shuffle=False)
    with pytest.raises(ValueError, match="all its samples were skipped"):
        provider[3]


def test_bad_samples_are_listed_and_logged_once(caplog):
    provider = make(50, {3, 17})
    with caplog.at_level(logging.WARNING, "mltu.data._bad_samples"):
        contents(provider)
        contents(provider)
    assert [(sample.position, sample.path) for sample in provider.bad_samples] == [
        (3, -3),
        (17, -17),
    ]
    assert "cannot read -3" in provider.bad_samples[0].reason
    assert len(caplog.records) == 2


def test_a_step_whose_batches_always_fail_is_named_once(caplog):
    class Slow(Transformer):
        def __call__(self, data, label):
            return data, label

        def batch(self, data, labels):
            raise MemoryError("no room")

    provider = DataProvider([(np.zeros(1), np.zeros(1))] * 6, [], 2, transformers=[Slow()])
    assert len([provider[i] for i in range(3)]) == 3
    (said,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert said.message.endswith("sample by sample, which is slower: MemoryError: no room")


@pytest.mark.parametrize(("num_samples", "stops_at"), [(20, 10), (999, 10), (1000, 11), (3, 3)])
def test_too_many_stop_with_the_first_ten_named(num_samples, stops_at):
    found = BadSamples(num_samples)
    for index in range(stops_at - 1):
        found.add(index, f"{index}.png", ValueError("broken"))
    with pytest.raises(RuntimeError) as caught:
        found.add(stops_at - 1, f"{stops_at - 1}.png", ValueError("broken"))
    assert f"cannot be read: {stops_at} of {num_samples}, among" in str(caught.value)
    assert str([f"{i}.png" for i in range(min(10, stops_at))]) in str(caught.value)


def test_a_data_set_of_bad_samples_alone_stops():
    provider = DataProvider([(-1, 0)] * 5, [read_unless_bad], skip_validation=True)
    with pytest.raises(RuntimeError, match="5 of 5"):
        contents(provider)


def test_split_counts_each_part_for_itself():
    training, validation = make(50, {3, 17}).split(0.5)
    contents(training)
    contents(validation)
    found = [len(part.bad_samples) for part in (training, validation)]
    assert sum(found) == 2


def test_replacement_is_another_sample():
    for index in range(5):
        chosen = {replacement(5, 0, 1, index, attempt) for attempt in range(1, 60)}
        assert chosen == set(range(5)) - {index}


def test_unknown_policy():
    with pytest.raises(ValueError, match="`on_bad_sample` must be 'replace', 'skip' or 'raise'"):
        make(5, set(), on_bad_sample="ignore")
