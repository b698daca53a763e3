"""Run the blocks of a page in order, in this folder: `python run_page.py steps.json`.

Python blocks share one namespace. A block or command that fails, or prints otherwise than the page
says, ends the run with its place in the page.
"""

import contextlib
import fnmatch
import glob
import io
import json
import os
import subprocess
import sys
import traceback


def run_command(words, environment):
    """Run a command with its patterns of file names filled in; return what it printed."""
    words = [name for word in words for name in (sorted(glob.glob(word)) or [word])]
    done = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True,
        encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def run_python(code, place, namespace):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, place, "exec"), namespace)
    return printed.getvalue()


def main():
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
        lines = [line.rstrip() for line in printed.strip().splitlines()]
        pattern = [
            line.replace("[", "[[]").replace("...", "*") for line in step.get("expected", ())
        ]
        if pattern and not (
            len(pattern) == len(lines) and all(map(fnmatch.fnmatchcase, lines, pattern))
        ):
            raise SystemExit(f"{step['place']} prints\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
