"""Run the child that converts, and turn every way in which it can end into an error that says why.

The child is a fresh interpreter without a GPU: neither kernels of the GPU nor its full memory can
spoil an export there, and whatever kills it does not kill the training.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from mltu.onnx_export.child import REPLY

# Not `-m`, which warns of a module that its package has imported already. Ctrl-C, which a terminal
# sends to both, is for the parent to answer: a training goes on to its next batch first.
_CODE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "from mltu.onnx_export.child import main; sys.exit(main(sys.argv[1:]))"
)


def run_child(job: Mapping[str, Any], timeout: float) -> None:
    """Convert in a child process; see `mltu.onnx_export.child.convert` for the job.

    Args:
        job: plain values.
        timeout: seconds after which the child is ended.

    Raises:
        ImportError: the child could not import a package or a class; with the way out.
        OSError: it could not read or write a file.
        TimeoutError: it took too long.
        RuntimeError: anything else; the text holds the child's traceback, or what ended it.
    """
    command = [sys.executable, "-P", "-c", _CODE, json.dumps(job)]
    try:
        done = subprocess.run(
            command, env=_environment(), capture_output=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(
            f"The child process had {timeout:g} s to convert the model (`timeout`) and was ended. "
            "Give it more time, or look whether the machine is out of memory."
        ) from error
    answers = [line for line in done.stdout.splitlines() if line.startswith(REPLY)]
    if not answers:
        raise RuntimeError(_death(done.returncode, done.stderr))
    if answer := json.loads(answers[-1].removeprefix(REPLY)):
        raise _error(answer)


def _environment() -> dict[str, str]:
    """Return the environment of this process, its import path, and no GPU."""
    path = [os.path.abspath(entry) for entry in sys.path]
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUTF8": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _death(status: int, printed: str) -> str:
    """Say what ended a child that left no answer."""
    cause = f"ended with status {status}"
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        cause = f"was killed by {name}"
        if name == "SIGKILL":
            cause += ", as the system does where memory runs out"
    last = printed.strip()[-4000:] or "nothing"
    return f"The child process that converts the model {cause}. The last that it printed:\n{last}"


def _error(answer: Mapping[str, Any]) -> Exception:
    text = f"{answer['message']}\nIn the child process:\n{answer['traceback']}"
    if "ImportError" in answer["error"]:
        return ImportError(text, name=answer["package"])
    return OSError(text) if "OSError" in answer["error"] else RuntimeError(text)
