"""The training of the reader of words and lines: what is drawn, fed, averaged and kept."""

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from mltu.synthetic import KINDS

MODULES = (
    "drawing",
    "export",
    "feeding",
    "images",
    "network",
    "state",
    "steps",
    "torch_network",
    "validation",
)


class Bars:
    """Draws an image as wide as its text is long, all of one value."""

    def draw_aligned(self, rng):
        length = int(rng.integers(1, 9))
        edges = 10.0 * np.arange(length + 1)
        image = np.full((32, 10 * length, 3), length, np.uint8)
        return image, "a" * length, np.stack([edges[:-1], edges[1:]], axis=1)


@pytest.fixture
def reader(monkeypatch):
    """Let the modules of the tutorial be imported, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(ROOT / "Tutorials" / "07_words_from_fonts" / "reader"))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def test_a_chunk_holds_images_of_one_width_and_their_labels(reader):
    from drawing import PADDING, Drawers

    drawers = Drawers(Bars(), "ab", num_processes=1, seed=[0], columns=2048)
    try:
        kind, images, labels, frames = drawers.take()
    finally:
        drawers.close()
    shape = drawers.shapes[kind]
    assert shape.num_images == 2048 // shape.width
    assert images.shape == (shape.num_images, 32, shape.width, 3)
    assert frames.shape == (shape.num_images, shape.width // 2)
    for image, label, classes in zip(images, labels, frames, strict=True):
        length = np.count_nonzero(label == 0)
        assert np.all(label[:length] == 0)
        assert np.all(label[length:] == 2)
        columns = np.flatnonzero(image[0, :, 0] != PADDING)
        assert len(columns) == 10 * length == columns[-1] - columns[0] + 1
        assert np.all(image[:, columns] == length)
        middles = (columns[0] + 5 + 10 * np.arange(length)) // 2
        assert np.all(classes[middles] == 0)
        assert np.count_nonzero(classes != 2) < 0.7 * len(columns) / 2


def test_kinds_may_have_weights(reader):
    from images import make_images

    images, _ = make_images(None, 32, ["scene_word=2.5", "code"])
    assert images.kinds == {"scene_word": 2.5, "code": KINDS["code"].weight}
    with pytest.raises(ValueError, match="Unknown kind 'hieroglyph'"):
        make_images(None, 32, ["hieroglyph", "code"])


def test_a_frame_is_a_character_in_its_middle_half(reader):
    from drawing import frames_of

    spans = np.array([[0.0, 16.0], [16.0, 18.0], [30.0, 60.0]])  # wide, narrow, cut off
    assert frames_of(spans, [5, 6, 7], 20, 9).tolist() == [9, 9, 5, 5, 5, 5, 9, 9, 6] + 10 * [9] + [
        7
    ]


def test_old_batches_come_only_while_new_ones_are_missing(reader):
    from drawing import chunk_shape
    from feeding import Feeder

    class Drawn:
        shapes = (chunk_shape(64),)
        chunks = 1

        def take(self, timeout):
            if not self.chunks:
                return None
            self.chunks -= 1
            targets = np.zeros((2, 14), np.int16), np.zeros((2, 32), np.int16)
            return 0, np.zeros((2, 32, 64, 3), np.uint8), *targets

    feeder = Feeder(
        Drawn(), chunks=1, replay=2, send=lambda *arrays: arrays, vary=lambda batch, rng: batch
    )
    assert [feeder._next()[2] for _ in range(3)] == [True, False, False]
    assert not feeder._kept


def test_time_steps_are_two_pixels_and_the_reader_is_small(reader):
    import keras
    from network import text_reader

    model = text_reader(194)
    assert model.count_params() < 2_000_000
    if keras.backend.backend() == "torch":
        from torch_network import TorchNetwork

        assert TorchNetwork(model).num_unknown == 0
    logits = keras.ops.convert_to_numpy(model(np.zeros((1, 32, 96, 3), np.float32)))
    assert logits.shape == (1, 48, 195)
    assert 0.6 < (np.exp(logits[..., -1]) / np.exp(logits).sum(axis=-1)).mean() < 0.75


def test_a_bfloat16_keeps_a_tiny_square_of_a_gradient(reader):
    from state import _halved, _whole

    values = np.array([1e-30, 1.0, -3.1415927], np.float32)
    np.testing.assert_allclose(_whole(_halved(values)), values, rtol=2**-8)


def small_trainer():
    import keras
    from keras import layers
    from steps import make_trainer

    inputs = layers.Input((4, None, 3))
    x = layers.Conv2D(3, (4, 1))(inputs)
    return make_trainer(keras.Model(inputs, layers.Reshape((-1, 3))(x)))


def test_an_old_batch_comes_in_other_colours_and_its_padding_stays(reader):
    import keras
    from drawing import PADDING

    trainer, rng = small_trainer(), np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 4, 6, 3)).astype(np.uint8)
    images[:, :, 4:] = PADDING
    batch = trainer.send(images, np.array([[0, 1], [1, 2]]), np.full((2, 6), 2))
    changed = 0
    for _ in range(8):
        varied, *targets = trainer.vary(batch, rng)
        found = keras.ops.convert_to_numpy(varied)
        assert found.shape == images.shape
        assert found.dtype == np.uint8
        assert np.abs(found[:, :, 4:].astype(int) - PADDING).max() <= 1  # 128 where it is inverted
        assert all(a is b for a, b in zip(targets, batch[1:], strict=True))
        changed += (found != images).any()
    assert changed > 4


def test_a_state_goes_on_in_another_trainer(reader, tmp_path):
    import keras
    from state import load_state, save_state

    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3)).astype(np.uint8)
    labels, frames = np.array([[0, 1], [1, 2]]), np.array([[0, 2, 2, 2, 1, 2], [2, 2, 1, 1, 2, 2]])

    def step(trainer, guide=0.0):
        return float(trainer.step(trainer.send(images, labels, frames), 1e-2, guide))

    first, second = small_trainer(), small_trainer()
    losses = [step(first, guide=0.5) for _ in range(3)]
    assert losses[2] < losses[0]
    save_state(tmp_path, first, {"images": 6, "steps": 3})
    load_state(tmp_path, second)
    assert int(second.optimizer.iterations) == 3
    expected, found = step(first), step(second)
    first.sync()
    second.sync()
    assert found == pytest.approx(expected, rel=1e-5)
    for a, b in zip(first.averages, second.averages, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b), rtol=1e-2, atol=1e-3
        )


def test_a_cut_leaves_the_state_before(reader, tmp_path, monkeypatch):
    import state

    trainer = small_trainer()
    assert state.read_record(tmp_path) is None
    state.save_state(tmp_path, trainer, {"steps": 1})

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut)
        with pytest.raises(KeyboardInterrupt):
            state.save_state(tmp_path, trainer, {"steps": 2})
    assert state.read_record(tmp_path) == {"steps": 1}
    state.save_state(tmp_path, trainer, {"steps": 3})
    assert state.read_record(tmp_path) == {"steps": 3}
    assert len(list(tmp_path.glob("state-*"))) == 1


def test_repeats_and_blanks_are_left_out(reader):
    from validation import greedy_texts

    logits = np.eye(3)[[[0, 0, 2, 0, 1, 1, 2]]]
    assert greedy_texts(logits, "ab") == ["aab"]


def test_weights_in_half_precision_read_the_same(reader):
    import onnx
    import onnxruntime
    from export import halve_weights

    whole = ROOT / "mltu" / "inference" / "weights" / "words_small.onnx"
    half = halve_weights(onnx.load(whole)).SerializeToString()
    assert len(half) < 0.6 * whole.stat().st_size
    outputs = []
    for source in (str(whole), half):
        session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        shape = [side if isinstance(side, int) else 2 for side in entry.shape]
        images = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
        outputs.append(session.run(None, {entry.name: images})[0])
        card = session.get_modelmeta().custom_metadata_map
    assert "vocab" in card
    np.testing.assert_allclose(*outputs, atol=0.02)


def test_the_average_follows_the_weights_and_has_statistics_of_its_own(reader):
    import keras
    from keras import layers
    from steps import make_trainer
    from validation import averaged

    inputs = layers.Input((4, None, 3))
    x = layers.BatchNormalization()(layers.Conv2D(3, (4, 1))(inputs))
    trainer = make_trainer(keras.Model(inputs, layers.Reshape((-1, 3))(x)))
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3)).astype(np.uint8)
    labels, frames = np.array([[0, 1], [1, 2]]), np.full((2, 6), 2)
    for _ in range(10):
        trainer.step(trainer.send(images, labels, frames), 1e-1)
    trainer.sync()

    def values():
        return [keras.ops.convert_to_numpy(v).copy() for v in trainer.model.variables]

    own = values()
    with averaged(trainer, [(images, ["ab", "b"])]):
        found = values()
        normalized = keras.ops.convert_to_numpy(trainer.model(images.astype("float32")))
    kernel = keras.ops.convert_to_numpy(trainer.averages[0])
    assert np.abs(kernel - own[0]).max() > 1e-4
    np.testing.assert_array_equal(found[0], kernel)
    gamma, beta = (keras.ops.convert_to_numpy(x) for x in trainer.averages[2:])
    np.testing.assert_allclose(normalized.mean(axis=(0, 1)), beta, atol=1e-2)
    np.testing.assert_allclose(normalized.std(axis=(0, 1)), np.abs(gamma), rtol=1e-2)
    for a, b in zip(values(), own, strict=True):
        np.testing.assert_array_equal(a, b)


def train_by_keras(trainer, images, labels, frames, rate, guide):
    """Do a step with the layers, the losses and the optimizer of Keras; return the loss."""
    import torch

    logits = trainer.model(torch.from_numpy(images).float(), training=True)
    targets = torch.from_numpy(labels), torch.from_numpy(frames)
    loss, total = trainer.loss(*targets, logits, guide)
    variables = trainer.model.trainable_variables
    gradients = torch.autograd.grad(total, [v.value for v in variables])
    trainer.optimizer.learning_rate = rate
    with torch.no_grad():
        trainer.optimizer.apply(gradients, variables)
    return float(loss.detach())


def small_reader(classes=4):
    """Return a network of all kinds of layers that the reader has."""
    import keras
    from keras import layers

    from mltu.models._networks import _normalized, _text_block

    inputs = layers.Input((8, None, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = layers.Activation("relu")(_normalized(x, 0.99, 4, 3, 2))
    x = _text_block(_text_block(x, 0.99, 4), 0.99, 6, (2, 1))
    x = layers.Conv2D(8, (x.shape[1], 1), use_bias=False)(x)
    x = layers.Reshape((-1, 8))(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    x = layers.Dense(2 * classes)(x)
    return keras.Model(inputs, layers.Reshape((-1, classes))(x))


def test_pytorch_trains_as_keras_does(reader):
    import keras

    if keras.backend.backend() != "torch":
        pytest.skip("The step is PyTorch's.")
    from steps import make_trainer

    trainers = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        trainers.append(make_trainer(small_reader()))
    ours, theirs = trainers
    rng = np.random.default_rng(0)
    for _ in range(3):
        images = rng.integers(0, 256, (4, 8, 12, 3)).astype(np.uint8)
        labels = np.array([[0, 1, 2, 0], [1, 1, 3, 3], [2, 3, 3, 3], [0, 2, 1, 3]], np.int32)
        frames = rng.integers(0, 4, (4, 12)).astype(np.int32)
        found = float(ours.step(ours.send(images, labels, frames), 1e-2, 0.5))
        expected = train_by_keras(theirs, images, labels, frames, 1e-2, 0.5)
        assert found == pytest.approx(expected, rel=1e-4)
    for kind in ("model", "optimizer"):
        for a, b in zip(*(getattr(t, kind).variables for t in trainers), strict=True):
            values = keras.ops.convert_to_numpy(b)
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(a), values, rtol=1e-3, atol=1e-4 * np.abs(values).max(),
                err_msg=a.path,
            )  # fmt: skip
