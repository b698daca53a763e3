"""Run the blocks of a page in order, in this folder: `python run_page.py steps.json [slow]`.

Python blocks share one namespace. A block or command that fails, or prints otherwise than the page
says, ends the run with its place in the page.
"""

import contextlib
import fnmatch
import glob
import io
import json
import os
import re
import runpy
import subprocess
import sys
import traceback

from quick_exports import convert_here, without_trial


def run_command(words, environment):
    """Run a command with its patterns of file names filled in; return what it printed.

    Scripts and `python -m mltu` run in this process, which has imported Keras already; a command
    with variables of its own needs another one.
    """
    words = [name for word in words for name in (sorted(glob.glob(word)) or [word])]
    if environment:
        return run_process(words, environment)
    printed, arguments = io.StringIO(), sys.argv
    sys.argv = words[2:] if words[1] == "-m" else words[1:]
    try:
        with contextlib.redirect_stdout(printed):
            if words[1] == "-m":
                runpy.run_module(words[2], run_name="__main__", alter_sys=True)
            else:
                run_script(words[1])
    except SystemExit as end:
        if end.code:
            status = end.code if isinstance(end.code, int) else f"1\n{end.code}"
            raise SystemExit(f"status {status}\n{printed.getvalue()[-2000:]}") from None
    finally:
        sys.argv = arguments
        if "keras" in sys.modules:
            sys.modules["keras"].config.set_dtype_policy("float32")
    return printed.getvalue()


def run_script(path):
    """Run a script as Python does, with its folder first on the path; then forget its modules."""
    folder = os.path.dirname(path)
    sys.path.insert(0, folder)
    try:
        runpy.run_path(path, run_name="__main__")
    finally:
        sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            if os.path.dirname(getattr(module, "__file__", None) or "") == folder:
                del sys.modules[name]


def run_process(words, environment):
    done = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True,
        encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def without_percents(line):
    """Leave the numbers of percentages out: a confidence differs from one processor to the next."""
    return re.sub(r"\d+(\.\d+)?%", "%", line)


def run_python(code, place, namespace):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, place, "exec"), namespace)
    return printed.getvalue()


def export_quickly():
    """Convert in this process and once for each training; other tests prove the rest."""
    from mltu.callbacks import Model2onnx
    from mltu.onnx_export import _export

    _export.run_child = convert_here
    Model2onnx._export = without_trial(Model2onnx._export)


def main():
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow" and sys.argv[2:] == ["slow"]:
        export_quickly()
    namespace = {"__name__": "__main__"}
    with open(sys.argv[1], encoding="utf-8") as file:
        steps = json.load(file)
    for step in steps:
        try:
            if "code" in step:
                printed = run_python(step["code"], step["place"], namespace)
            else:
                printed = run_command(step["words"], step["environment"])
        except (Exception, SystemExit):
            traceback.print_exc()
            raise SystemExit(f"FAILED: {step['place']}") from None
        lines = [without_percents(line.rstrip()) for line in printed.strip().splitlines()]
        pattern = [
            without_percents(line).replace("[", "[[]").replace("...", "*")
            for line in step.get("expected", ())
        ]
        if pattern and not (
            len(pattern) == len(lines) and all(map(fnmatch.fnmatchcase, lines, pattern))
        ):
            raise SystemExit(f"{step['place']} prints\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
