"""Calls a function in a fresh interpreter: plain values in; plain values or a clear error out.

Whatever kills the child does not kill the caller, and the packages and GPU memory of the caller
do not affect it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Any

_REPLY = "mltu.utils.child_process: "  # Begins the line of the reply, among whatever others print.
# Not `-m`, which warns of a module that its package has imported already. Ctrl-C, which a terminal
# sends to both, is for the parent to answer: a run goes on to its next batch first.
_CODE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "from mltu.utils.child_process import main; sys.exit(main(sys.argv[1:]))"
)


def call_in_child(
    function: str, argument: Any, *, timeout: float, environment: Mapping[str, str] | None = None
) -> Any:
    """Call a function of one argument in a child process and return its result.

    Args:
        function: `"module:name"`.
        argument: a value that JSON can hold, as is the result.
        timeout: seconds after which the child is ended.
        environment: variables of the child, beside those of this process.

    Raises:
        ImportError: the function raised one; `name` is that of the package.
        OSError: the function raised one.
        TimeoutError: it took too long.
        RuntimeError: it raised anything else, or the child died. The text holds the traceback, or
            what ended the child and what it printed last.
    """
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    fixed = {"PYTHONPATH": path, "PYTHONUTF8": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CODE, function, json.dumps(argument)],
            env={**os.environ, **fixed, **(environment or {})}, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(
            f"The child process was stopped after {timeout:g} s (`timeout`). Allow more time, or "
            "check whether the machine is out of memory."
        ) from error
    replies = [line for line in done.stdout.splitlines() if line.startswith(_REPLY)]
    if not replies:
        raise RuntimeError(_describe_death(done.returncode, done.stderr))
    reply = json.loads(replies[-1].removeprefix(_REPLY))
    if "bases" in reply:
        raise _rebuild_error(reply)
    return reply["result"]


def main(arguments: list[str]) -> int:
    """Run in the child: call the function and print its reply; the exit status is 0 on success."""
    module, _, name = arguments[0].partition(":")
    try:
        function = getattr(import_module(module), name)
        reply = {"result": function(json.loads(arguments[1]))}
    except Exception as error:
        reply = {
            "bases": [kind.__name__ for kind in type(error).__mro__],
            "message": str(error) or type(error).__name__,
            "package": getattr(error, "name", None),
            "traceback": traceback.format_exc(),
        }
    print(f"\n{_REPLY}{json.dumps(reply)}", flush=True)
    return int("bases" in reply)


def _describe_death(status: int, printed: str) -> str:
    cause = f"ended with status {status}"
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        cause = f"was killed by {name}"
        if name == "SIGKILL":
            cause += ", which the system sends when memory runs out"
    last = printed.strip()[-4000:] or "nothing"
    return f"The child process {cause}. Its last output:\n{last}"


def _rebuild_error(reply: Mapping[str, Any]) -> Exception:
    text = f"{reply['message']}\nIn the child process:\n{reply['traceback']}"
    if "ImportError" in reply["bases"]:
        return ImportError(text, name=reply["package"])
    return OSError(text) if "OSError" in reply["bases"] else RuntimeError(text)
