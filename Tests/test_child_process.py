"""A function called in a child process: its result, its errors and its ways to die."""

import os
import signal
import sys
import time

import pytest

from mltu.utils.child_process import call_in_child


def call(name, argument=None, timeout=60, **environment):
    return call_in_child(
        f"test_child_process:{name}", argument, timeout=timeout, environment=environment
    )


def echo(argument):
    print("noise of a package", end="")
    return {"argument": argument, "variable": os.environ["MLTU_TEST"], "path": sys.path}


def raise_import_error(_):
    raise ModuleNotFoundError("No module named 'tf2onnx'", name="tf2onnx")


def raise_os_error(_):
    os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C is for the parent.
    raise FileNotFoundError("went on")


def raise_key_error(_):
    raise KeyError("é")


def be_killed(_):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(_):
    print("last words", file=sys.stderr, flush=True)
    os._exit(7)


def hang(_):
    time.sleep(600)


def test_plain_values_go_both_ways():
    before = dict(os.environ)
    reply = call("echo", {"é": [1, None]}, MLTU_TEST="here")
    assert reply["argument"] == {"é": [1, None]}
    assert reply["variable"] == "here"
    assert set(map(os.path.abspath, sys.path)) <= set(reply["path"])
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("raise_import_error", ImportError, "No module named 'tf2onnx'"),
        ("raise_os_error", OSError, "went on"),
        ("raise_key_error", RuntimeError, r"(?s)'é'.*In the child process:\nTraceback.*KeyError"),
        ("be_killed", RuntimeError, "killed by SIGKILL, which the system sends when memory runs"),
        ("leave", RuntimeError, r"(?s)ended with status 7. Its last output:.*last words"),
        ("no_such_function", RuntimeError, "no attribute 'no_such_function'"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_faults_come_back_whole(name, error, text):
    with pytest.raises(error, match=text) as caught:
        call(name)
    if error is ImportError:
        assert caught.value.name == "tf2onnx"


def test_a_child_that_hangs_is_ended():
    with pytest.raises(TimeoutError, match=r"stopped after 2 s \(`timeout`\)"):
        call("hang", timeout=2)
