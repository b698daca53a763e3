"""Configs: what is saved comes back, and a file can run nothing."""

import os
import tempfile
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltu.configs import BaseModelConfigs, ReaderConfigs


class Configs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        self.vocab = "abc"
        self.height = 32


def saved(folder, **settings):
    configs = Configs()
    configs.model_path = str(folder)
    vars(configs).update(settings)
    return configs.save()


@given(
    st.text(),
    st.lists(st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats(width=32))),
)
@example("\ud800\u2028\x85\ufeff\r\n\t \U0001f600\x00", ["null", "007", "1e3", "yes", "2024-01-01"])
@example("\x85", ["\x85", "\u2028", "\u2029", "a\x85b"])
def test_everything_comes_back(vocab, values):
    with tempfile.TemporaryDirectory() as folder:
        path = saved(folder, vocab=vocab, values=values, nested={"a": values, 3: "b"})
        loaded = Configs.load(path)
    assert type(loaded) is Configs
    assert loaded.vocab == vocab
    assert repr(loaded.values) == repr(values)  # nan is not equal to itself, its text is.
    assert repr(loaded.nested) == repr({"a": values, 3: "b"})
    assert loaded.model_path == folder


def test_order_of_settings_and_vocabulary_is_kept(tmp_path):
    path = saved(tmp_path, vocab=["z", "a", "m"], another=1)
    loaded = Configs.load(str(path))
    assert list(vars(loaded)) == ["model_path", "vocab", "height", "another"]
    assert loaded.vocab == ["z", "a", "m"]
    assert path == tmp_path / "configs.yaml"


def test_numpy_scalars_and_paths_become_plain(tmp_path):
    path = saved(
        tmp_path,
        rate=np.float32(0.5),
        count=np.int64(7),
        flag=np.bool_(True),
        run=Path("Models") / "x",
        shape=(32, np.int32(128)),
    )
    loaded = Configs.load(path)
    assert (loaded.rate, loaded.count, loaded.flag) == (0.5, 7, True)
    assert loaded.run == os.path.join("Models", "x")
    assert loaded.shape == [32, 128]
    assert type(loaded.count) is int


class Colour(IntEnum):
    RED = 1


@pytest.mark.parametrize("value", [object(), np.zeros(2), 1j, Colour.RED, b"bytes", [{1, 2}]])
def test_what_cannot_be_stored_is_named_and_leaves_no_file(tmp_path, value):
    with pytest.raises(TypeError, match=r"`odd` must be text, a number.* Received "):
        saved(tmp_path, odd=value)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_stored_is_named(tmp_path):
    """A tuple as a key ended in "unhashable type: 'list'"."""
    with pytest.raises(TypeError, match=r"`odd` must have keys of .* Received the key \(1, 2\)\."):
        saved(tmp_path, odd={(1, 2): "a"})


def test_set_as_vocabulary_is_refused_with_a_hint(tmp_path):
    with pytest.raises(TypeError, match=r"`vocab` .*A set has no order: use a string or a list"):
        saved(tmp_path, vocab=set("abc"))


def test_failed_save_leaves_the_older_file(tmp_path):
    path = saved(tmp_path, vocab="old")
    with pytest.raises(TypeError):
        saved(tmp_path, vocab=object())
    assert Configs.load(path).vocab == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_unset_model_path_is_refused():
    with pytest.raises(ValueError, match=r"`model_path` must be the run folder .* Received None"):
        Configs().save()


def test_python_tags_are_refused_and_do_nothing(tmp_path):
    path, trace = tmp_path / "evil.yaml", tmp_path / "trace"
    path.write_text(f"vocab: !!python/object/apply:os.system ['echo > {trace}']\n")
    with pytest.raises(ValueError, match="`path` must be a YAML file of plain values") as caught:
        Configs.load(path)
    assert repr(str(path)) in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"- a\n- b\n",
        b"text",
        b"1: a\n",
        b"a: [",
        b"\xff\xfe\x00a",
        b"a: 2024-13-45",
        b"[" * 2000,
    ],
    ids=["empty", "list", "text", "number", "open", "binary", "date", "deep"],
)
def test_what_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "configs.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`path` must be a YAML file") as caught:
        Configs.load(path)
    assert repr(str(path)) in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.yaml"):
        Configs.load(tmp_path / "absent.yaml")


# The command line


class Commented(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        self.model_path = "runs/1"  # the run folder
        self.height = 32
        self.learning_rate = 3e-3  # the peak: # after a warm-up
        self.augment = True
        self.limit: int | None = None  # use only the first samples
        self.widths = [64, 128]


def test_settings_are_changed_on_the_command_line():
    configs = Commented.from_command_line(
        ["height=48", "learning_rate=1e-4", "--augment=false", "limit=200", "widths=[1, 2]"]
    )
    assert vars(configs) == {
        "model_path": "runs/1",
        "height": 48,
        "learning_rate": 1e-4,
        "augment": False,
        "limit": 200,
        "widths": [1, 2],
    }
    assert vars(Commented.from_command_line([])) == vars(Commented())
    assert Commented.from_command_line(["model_path=a=b", "limit=x"]).model_path == "a=b"
    # A folder of digits became that of a number.
    assert BaseModelConfigs.from_command_line(["model_path=007"]).model_path == "007"


def test_a_run_that_exists_gives_its_settings(tmp_path):
    configs = Commented.from_command_line([f"model_path={tmp_path}", "height=48", "limit=3"])
    configs.save()
    again = Commented.from_command_line([f"model_path={tmp_path}", "limit=5"])
    assert vars(again) == {**vars(configs), "limit": 5}


def test_help_lists_settings_defaults_and_comments(capsys):
    with pytest.raises(SystemExit) as caught:
        Commented.from_command_line(["height=1", "--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("[name=value]...")
    assert [line.split(maxsplit=1) for line in printed[3:]] == [
        ["model_path=runs/1", "the run folder"],
        ["height=32"],
        ["learning_rate=0.003", "the peak: # after a warm-up"],
        ["augment=True"],
        ["limit=None", "use only the first samples"],
        ["widths=[64,", "128]"],
    ]


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("heights=1", "Unknown setting 'heights=1'. Write name=value; --help lists all names."),
        ("height", "Unknown setting 'height'. Write name=value; --help lists all names."),
        ("height=tall", "height must be int, such as 32. Received 'tall'."),
        ("height=1.5", "height must be int, such as 32. Received '1.5'."),
        ("learning_rate=", "learning_rate must be float, such as 0.003. Received ''."),
        ("learning_rate=nan", "learning_rate must be float, such as 0.003. Received 'nan'."),
        ("learning_rate=1e400", "learning_rate must be float, such as 0.003. Received '1e400'."),
        ("augment=no", "augment must be bool, such as True. Received 'no'."),
        ("widths=64", "widths must be list, such as [64, 128]. Received '64'."),
        ("widths=[", "widths must be list, such as [64, 128]. Received '['."),
        ("model_path=run{x}", "model_path must have no { and no }. Received 'run{x}'."),
    ],
)
def test_a_wrong_argument_ends_with_one_sentence(argument, sentence):
    with pytest.raises(SystemExit) as caught:
        Commented.from_command_line([argument])
    assert caught.value.code == sentence


def test_options_of_a_training_are_checked():
    configs = ReaderConfigs.from_options(epochs=3, workers=0, model="rows")
    assert (configs.train_epochs, configs.train_workers, configs.model) == (3, 0, "rows")
    # None was refused where there are choices.
    assert ReaderConfigs.from_options(model=None, seed=None).seed == 0
    with pytest.raises(TypeError, match=r"has no argument `epoch`\. Its settings are: model, "):
        ReaderConfigs.from_options(epoch=3)
    with pytest.raises(ValueError, match="`model` must be one of 'columns', 'rows', 'strong'"):
        ReaderConfigs.from_options(model="large")
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        ReaderConfigs.from_options(batch_size=0)
    with pytest.raises(ValueError, match=r"`augment` must be True or False\. Received 'no'"):
        ReaderConfigs.from_options(augment="no")
    with pytest.raises(ValueError, match="`learning_rate` must be above 0"):
        ReaderConfigs.from_options(learning_rate=0.0)
    with pytest.raises(ValueError, match="above 0 and finite"):
        ReaderConfigs.from_options(learning_rate=float("inf"))


def test_the_settings_of_a_reader_come_back(tmp_path):
    configs = ReaderConfigs.from_options(vocab="ab", seed=4)
    configs.model_path = str(tmp_path)
    loaded = ReaderConfigs.load(configs.save())
    assert loaded == configs
    assert vars(loaded) == vars(configs)
