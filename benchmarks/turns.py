"""Processes that take turns, so that a noisy machine is as unkind to each as to the others."""

import json
import os
import subprocess
import sys
import venv


def make_environment(folder, packages):
    """Return the Python of the environment in a folder; make it where there is none."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


class Server:
    """A process that answers lines with JSON; its first answer comes unasked, when it is ready."""

    def __init__(self, arguments, python=sys.executable, **environment):
        self.process = subprocess.Popen(
            [str(python), *map(str, arguments)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        self.ready = self._answer()

    def ask(self, line=""):
        """Send a line and return the answer to it."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self):
        """Let the process end."""
        self.process.communicate()

    def _answer(self):
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"A process ended with status {self.process.wait()}; see above.")
        return json.loads(line)
