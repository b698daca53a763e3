"""The metrics equal get_cer and get_wer on the decoded strings, whatever the batches."""

import keras
import numpy as np
import pytest
from keras import ops
from oracles import levenshtein

from mltu import _ctc_kernels, metrics
from mltu.losses import CTCLoss
from mltu.metrics import CERMetric, CWERMetric, WERMetric
from mltu.utils.text_utils import ctc_decoder, get_cer, get_wer

pytestmark = pytest.mark.backend

VOCAB = "abcd"
BLANK = len(VOCAB)


def pad(labels, width=4):
    return np.array([[*label, *[BLANK] * (width - len(label))] for label in labels], np.int32)


def outputs_of(*paths):
    """One-hot outputs; `-` is the blank."""
    return np.eye(BLANK + 1, dtype="float32")[[[f"{VOCAB}-".index(c) for c in p] for p in paths]]


def batches(seed, count=3):
    """Random labels of 0 to 4 characters and outputs of 6 steps, about half of them right."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        labels = [rng.integers(0, BLANK, rng.integers(0, 5)).tolist() for _ in range(5)]
        outputs = rng.uniform(0, 1, (5, 6, BLANK + 1)).astype("float32")
        for row, label in zip(outputs[:3], labels, strict=False):
            for step in range(6):
                row[step, label[step] if step < len(label) else BLANK] += 1
        yield labels, outputs


KERNELS = sorted({"scan", _ctc_kernels.kernel_name()})


@pytest.fixture(params=sorted({*KERNELS, "torch"}))
def counter(request, monkeypatch):
    """Each way to count edits; two of them run on any backend."""
    monkeypatch.setattr(_ctc_kernels, "kernel_name", lambda: request.param)
    return request.param


@pytest.mark.usefixtures("counter")
@pytest.mark.parametrize("seed", range(4))
def test_metrics_equal_the_strings(seed):
    both, cer, wer = CWERMetric(VOCAB), CERMetric(), WERMetric(VOCAB)
    readings, texts = [], []
    for labels, outputs in batches(seed):
        for metric in (both, cer, wer):
            metric.update_state(pad(labels), outputs)
        readings += ctc_decoder(outputs, VOCAB)
        texts += ["".join(VOCAB[i] for i in label) for label in labels]
        assert float(cer.result()) == pytest.approx(get_cer(readings, texts), abs=1e-6)
        assert float(wer.result()) == pytest.approx(get_wer(readings, texts), abs=1e-6)
    assert {key: float(value) for key, value in both.result().items()} == {
        "CER": float(cer.result()),
        "WER": float(wer.result()),
    }
    assert "" in texts
    assert float(cer.result()) > 0


@pytest.mark.usefixtures("counter")
def test_wer_of_labels_with_spaces_counts_words():
    """The texts "ab cd ef gh" read as "ab cd ef ga": one of four words is wrong."""
    vocab = "abcdefgh "
    texts, readings = ["ab cd ef gh", "a", "", " b  c "], ["ab cd ef ga", "", "a b", "b c"]
    labels = np.full((4, 12), len(vocab), np.int32)
    outputs = np.zeros((4, 24, len(vocab) + 1), np.float32)
    outputs[:, :, -1] = 0.5
    for row, text in enumerate(texts):
        labels[row, : len(text)] = [vocab.index(c) for c in text]
        outputs[row, 2 * np.arange(len(readings[row])), [vocab.index(c) for c in readings[row]]] = 1
    for metric in (CWERMetric(vocab), CWERMetric(separator=8)):
        metric.update_state(labels[:1], outputs[:1])
        assert float(metric.result()["WER"]) == get_wer(readings[:1], texts[:1]) == 0.25
        metric.update_state(labels[1:], outputs[1:])
        assert float(metric.result()["WER"]) == pytest.approx(get_wer(readings, texts))
        assert float(metric.result()["CER"]) == pytest.approx(get_cer(readings, texts))
    again = WERMetric.from_config(WERMetric(vocab=vocab).get_config())
    again.update_state(labels, outputs)
    assert float(again.result()) == pytest.approx(get_wer(readings, texts))


@pytest.mark.usefixtures("counter")
@pytest.mark.parametrize("seed", range(4))
def test_wer_of_random_labels_with_spaces(seed):
    vocab, metric = "ab c", CWERMetric(vocab="ab c")
    readings, texts = [], []
    for labels, outputs in batches(seed, 20):
        metric.update_state(pad(labels, 5), outputs)
        readings += ctc_decoder(outputs, vocab)
        texts += ["".join(vocab[i] for i in label) for label in labels]
    assert float(metric.result()["WER"]) == pytest.approx(get_wer(readings, texts), abs=1e-6)
    assert float(metric.result()["CER"]) == pytest.approx(get_cer(readings, texts), abs=1e-6)


@pytest.mark.parametrize("metric_class", [WERMetric, CWERMetric])
def test_without_a_vocabulary_a_label_is_one_word(metric_class):
    """As in scripts of mltu 0.1, whose labels are words."""
    assert metric_class().separator == -1
    with pytest.raises(ValueError, match=rf"Pass {metric_class.__name__}\(vocab\)"):
        metric_class(5)  # the `padding_token` of mltu 1


@pytest.mark.parametrize("separator", [-2, 1.5, " "])
def test_a_separator_is_an_index(separator):
    with pytest.raises(ValueError, match="`separator` must be an integer"):
        CWERMetric(separator=separator)


@pytest.mark.parametrize("seed", range(4))
def test_scan_edits_equal_the_table(seed):
    rng = np.random.default_rng(seed)
    lengths = np.array([0, 1, 2, 3, 4, 4], np.int32)
    labels = pad([rng.integers(0, BLANK, n).tolist() for n in lengths])
    best = rng.integers(0, BLANK, (6, 7)).astype("int32")
    emitted = rng.uniform(size=(6, 7)) < 0.5
    emitted[-1] = False
    answer = [
        levenshtein(b[e].tolist(), y[:n].tolist())
        for b, e, y, n in zip(best, emitted, labels, lengths, strict=True)
    ]
    tensors = [ops.convert_to_tensor(x) for x in (labels, lengths, best, emitted)]
    for count in (metrics._scan_edits, metrics._torch_edits):
        assert ops.convert_to_numpy(count(*tensors)).tolist() == answer


@pytest.mark.usefixtures("counter")
def test_by_hand():
    """Readings ab, aa, "" of the texts ab, a, cd: 0 + 1 + 2 edits of 5 characters."""
    metric = CWERMetric(VOCAB)
    metric.update_state(pad([[0, 1], [0], [2, 3]]), outputs_of("aabb", "a-a-", "----"))
    result = metric.result()
    assert float(result["CER"]) == pytest.approx(3 / 5)
    assert float(result["WER"]) == pytest.approx(2 / 3)


@pytest.mark.usefixtures("counter")
@pytest.mark.parametrize("width", [2, 4, 20])
def test_padding_is_never_counted(width):
    """The perfect reader of short words has no errors; a wrong one is not diluted."""
    metric = CWERMetric(VOCAB)
    metric.update_state(pad([[0], [1, 2]], width), outputs_of("a----", "b-c--"))
    assert [float(v) for v in metric.result().values()] == [0.0, 0.0]
    metric.reset_state()
    metric.update_state(pad([[0], [1, 2]], width), outputs_of("b----", "b-c--"))
    assert float(metric.result()["CER"]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric_class", [CERMetric, WERMetric])
def test_before_the_first_batch_and_after_reset(metric_class):
    metric = metric_class(VOCAB)
    assert float(metric.result()) == 0.0
    metric.update_state(pad([[0]]), outputs_of("b"))
    assert float(metric.result()) == 1.0
    metric.reset_state()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("separator", [-1, 0])
def test_a_batch_of_no_samples_counts_nothing(separator):
    metric = CWERMetric(separator=separator)
    metric.update_state(pad([[0]]), outputs_of("b"))
    before = metric.result()
    metric.update_state(np.zeros((0, 4), np.int32), np.zeros((0, 6, BLANK + 1), "float32"))
    assert metric.result() == before


def test_targets_may_arrive_as_floats():
    metric = CERMetric()
    metric.update_state(pad([[0, 1]]).astype("float32"), outputs_of("ac--"))
    assert float(metric.result()) == pytest.approx(1 / 2)


def tiny_model(optimizer="sgd", jit_compile="auto", separator=-1):
    model = keras.Sequential(
        [keras.Input((6, 3)), keras.layers.Dense(BLANK + 1, activation="softmax")]
    )
    metrics = [CWERMetric(separator=separator)]
    model.compile(optimizer, loss=CTCLoss(), metrics=metrics, jit_compile=jit_compile)
    return model


def tiny_data(count=8):
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, BLANK, 1 + i % 3).tolist() for i in range(count)]
    return rng.normal(size=(count, 6, 3)).astype("float32"), pad(labels)


class Worse(keras.callbacks.Callback):
    """Make `val_CER` rise: 0.5, 0.6, 0.7 ... so that a lower value is better at the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_CER"] = 0.5 + epoch / 10


def test_callbacks_know_the_direction_of_val_cer(tmp_path):
    model, (x, y) = tiny_model(keras.optimizers.SGD(0.01)), tiny_data()
    stop = keras.callbacks.EarlyStopping(monitor="val_CER", patience=3)
    cut = keras.callbacks.ReduceLROnPlateau(
        monitor="val_CER", factor=0.5, patience=2, mode="auto", min_delta=0
    )
    best = tmp_path / "best.keras"
    save = keras.callbacks.ModelCheckpoint(best, monitor="val_CER", save_best_only=True)
    first = []
    remember = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: first.append(best.read_bytes())
    )
    history = model.fit(
        x,
        y,
        validation_data=(x, y),
        epochs=9,
        batch_size=4,
        verbose=0,
        callbacks=[Worse(), cut, save, remember, stop],
    )
    assert len(history.epoch) == 4
    assert stop.best_epoch == 0
    assert float(model.optimizer.learning_rate) == pytest.approx(0.005)
    assert set(first) == {first[0]}
    assert {"loss", "CER", "WER", "val_loss", "val_CER", "val_WER"} <= set(history.history)


def test_logs_equal_the_strings():
    model, (x, y) = tiny_model(), tiny_data(7)
    history = model.fit(x, y, validation_data=(x, y), batch_size=3, verbose=0).history
    texts = ["".join(VOCAB[i] for i in label if i < BLANK) for label in y]
    readings = ctc_decoder(model.predict(x, verbose=0), VOCAB)
    assert history["val_CER"][0] == pytest.approx(get_cer(readings, texts), abs=1e-6)
    assert history["val_WER"][0] == pytest.approx(get_wer(readings, texts), abs=1e-6)


class Uneven(keras.utils.PyDataset):
    """Two batches, the labels of each padded to its own width."""

    def __init__(self, x, y):
        super().__init__()
        self.batches = [(x[:2], y[:2, :3]), (x[2:], y[2:])]

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.batches[index]


@pytest.mark.parametrize("kernel", KERNELS)
def test_batches_padded_each_to_its_own_width(kernel, monkeypatch):
    """A dataset may give each batch another label width; the graph then has no static one."""
    monkeypatch.setattr(_ctc_kernels, "kernel_name", lambda: kernel)
    model, (x, y) = tiny_model(), tiny_data(4)
    uneven = model.evaluate(Uneven(x, y), return_dict=True, verbose=0)
    even = model.evaluate(x, y, batch_size=2, return_dict=True, verbose=0)
    assert uneven == pytest.approx(even, abs=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="XLA serves the others")
def test_xla_compiles_the_loss_and_the_metrics():
    """Keras compiles by XLA wherever TensorFlow sees a GPU; a CPU can do so on demand."""
    x, y = tiny_data(4)
    histories = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        model = tiny_model(jit_compile=jit_compile, separator=1)
        histories.append(model.fit(x, y, validation_data=(x, y), verbose=0).history)
    for key, values in histories[0].items():
        assert histories[1][key] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("metric_class", [CERMetric, WERMetric, CWERMetric])
def test_config_round_trip(metric_class):
    metric = metric_class("a b")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is metric_class
    assert (again.name, again.separator) == (metric.name, 1)


def test_variables_keep_the_names_that_old_states_have():
    """`fit_resumable` compares them: a new name refuses every run that was begun before."""
    names = [variable.name for variable in CWERMetric("ab").variables]
    assert names == ["edits", "characters", "wrong_words", "words"]
