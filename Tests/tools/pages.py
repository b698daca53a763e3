"""The code blocks of the pages, and how each is run: small, in a folder of its own."""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "benchmarks/README.md")),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "Tutorials").glob("[0-9]*/README.md"),
        *(ROOT / name / "README.md" for name in ("Tutorials", "mltu/inference/weights")),
        ROOT / "mltu/synthetic/data/README.md",
    )
)
FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OUTPUT = {"", "json", "text"}

# What no test runs, with the reason; a block of other commands that cannot be run fails.
NOT_RUN = {
    r"git clone|cd mltu$": "fetches the project",
    r"python3 -m venv \.venv": "makes an environment",
    r"(\.venv/bin/)?pip (un)?install": "changes packages; test_packaging installs the wheel",
    r"\.venv/bin/python -m pytest( -n auto)?": "is what runs this",
    r"docker (build|run)": "needs Docker",
    r"python Tutorials/07\S*/word_lists\.py": "needs Debian's word lists and the package wordfreq",
    r"python benchmarks/time_to_cer\.py": "trains for an hour and has no small option",
}
_TUTORIAL = r"Tutorials/0{0}\S*/README\.md: \S+python Tutorials/0{0}\S*/{1}\.py"
# What another test runs: it starts or fetches something beside it, or trains the same in small.
# The patterns match "page: command".
RUN_BY = {
    _TUTORIAL.format(1, "train"):
        "test_tutorial.test_default_command_draws_its_words_trains_and_resumes",
    _TUTORIAL.format(1, "inferenceModel"):
        "test_tutorial.test_inference_script_prints_the_average_cer",
    r"docs/howto/devices\.md: (export KERAS|KERAS_DIST)":
        "test_distribution.test_two_processes_run_the_script_of_the_page",
    _TUTORIAL.format(2, "(train|inferenceModel)") + "$":
        "test_captchas.test_a_run_trains_goes_on_and_reads",
    _TUTORIAL.format(2, "cross_validate"): "test_captchas.test_folds_are_trained_once",
    _TUTORIAL.format(2, "mixed"): "test_captchas.test_mixed_captchas_are_drawn_while_it_trains",
    _TUTORIAL.format("[34]", r"\w+"): "test_handwriting.test_a_run_trains_goes_on_and_reads",
    _TUTORIAL.format(5, r"\w+"): "test_spoken_digits.test_a_run_trains_goes_on_and_reads",
    _TUTORIAL.format(6, "train"): "test_own_data.test_the_way_from_data_to_reader",
    _TUTORIAL.format(7, "train"): "test_words_from_fonts.test_a_run_trains_and_goes_on",
    _TUTORIAL.format(8, "app"): "test_web_service.service_url",
    _TUTORIAL.format(8, "load"): "test_web_service.test_the_load_of_the_readme_runs",
    r"Tutorials/08.*: (cd |npm ci|cp \.\./|\S+python -m http\.server)":
        "test_web_service.static_url",
}  # fmt: skip


class Block(NamedTuple):
    """A fenced block; `line` counts from 1."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def blocks_of(page):
    """Return the fenced blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        inner = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, match[2], inner))
    if len(found) * 2 != len(re.findall(r"^ *```", text, re.MULTILINE)):
        raise ValueError(f"{page} has a code block that is not closed.")
    return found


def commands_of(block):
    """Return the simple commands of a shell block, without comments."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [
        command.strip()
        for line in lines
        for command in re.sub(r"(^|\s)#.*", "", line).split("&& ")
        if command.strip()
    ]


def reason_not_to_run(page, command):
    """Return why the pages' runner leaves a command out; None if it runs it."""
    for pattern, reason in NOT_RUN.items():
        if re.match(pattern, command):
            return reason
    for pattern, test in RUN_BY.items():
        if re.match(pattern, f"{page}: {command}"):
            return f"run by {test}"
    return None


def in_small(command, small):
    """Return (words, environment) with which a command of a page is run here.

    Raises:
        ValueError: nobody knows how to run it.
    """
    for pattern, replacement in small.items():
        command = re.sub(pattern, replacement, command)
    words, environment = shlex.split(command), {}
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, environment[name] = words.pop(0).partition("=")
    program = Path(words[0]).name
    if find_spec(environment.get("KERAS_BACKEND", "os")) is None:
        return [sys.executable, "-c", "pass"], {}  # CI has all backends.
    if program == "mltu":
        return [sys.executable, "-m", "mltu", *words[1:]], environment
    if program in ("python", "python3") and words[1].endswith(".py"):
        return [sys.executable, str(ROOT / words[1]), *words[2:]], environment
    raise ValueError(f"`command` must be one of mltu or a script. Received {command!r}.")


def steps_of(page, small):
    """Return what `run_page.py` has to do for a page."""
    steps = []
    for block in blocks_of(page):
        if block.language == "python":
            code = block.text
            for pattern, replacement in small.items():
                code = re.sub(pattern, replacement, code)
            steps.append({"code": code, "place": block.place})
        elif block.language == "sh":
            for command in commands_of(block):
                if reason_not_to_run(page, command) is None:
                    words, environment = in_small(command, small)
                    place = f"{block.place}: {command}"
                    steps.append({"words": words, "environment": environment, "place": place})
        elif block.language == "text" and steps:
            steps[-1]["expected"] = [line.rstrip() for line in block.text.strip().splitlines()]
        elif block.language not in OUTPUT:
            raise ValueError(f"{block.place} is a block of {block.language!r}, which nobody runs.")
    return steps


def run_page(page, folder, small, *speed):
    """Run all blocks of a page in a folder; return what went wrong, or an empty text.

    With "slow" it is a page that trains.
    """
    steps = folder / "steps.json"
    steps.write_text(json.dumps(steps_of(page, small)), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3",
                   "PYTHONUTF8": "1", "MPLBACKEND": "agg"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run_page.py")), str(steps), *speed],
        cwd=folder,
        env=environment, capture_output=True, text=True, encoding="utf-8", check=False,
        timeout=1500,
    )  # fmt: skip
    return (done.stdout + done.stderr)[-5000:] if done.returncode else ""
