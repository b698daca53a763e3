"""LICENSES.md: each shipped file stands in it, each foreign file with the text of its licence."""

import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from conftest import ROOT

FONTS = {".ttf", ".otf", ".ttc", ".woff", ".woff2"}
OTHERS, OURS = (ROOT / "LICENSES.md").read_text(encoding="utf-8").split("## Made here")


def patterns(part):
    """Return the patterns in the first column of the table of a part."""
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [name for line in lines for name in re.findall("`([^`]+)`", line.split("|")[1])]


def shipped_files():
    """Return what git tracks or, in an unpacked sdist, what its own list names."""
    sources = ROOT / "mltu.egg-info" / "SOURCES.txt"
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
        ).stdout
    elif sources.is_file():
        listed = sources.read_text(encoding="utf-8")
    else:
        pytest.skip("Neither a checkout nor an unpacked sdist.")
    names = [name.replace("\\", "/") for name in listed.splitlines()]
    return [name for name in names if not name.startswith("mltu.egg-info/")]


def covers(name, some):
    return any(fnmatchcase(name, pattern) for pattern in some)


def is_foreign(name):
    """Say whether a file can only have come from others: no font and no word list is ours."""
    return Path(name).suffix in FONTS or name.startswith("mltu/synthetic/data/words")


def test_each_shipped_file_stands_in_the_list():
    names = shipped_files()
    assert len(names) > 200
    assert [n for n in names if not covers(n, patterns(OTHERS) + patterns(OURS))] == []


def test_each_foreign_file_stands_among_those_made_by_others():
    names = [name for name in shipped_files() if is_foreign(name)]
    assert len(names) > 20
    assert [name for name in names if not covers(name, patterns(OTHERS))] == []


def test_each_line_covers_a_file():
    names = shipped_files()
    assert [p for p in patterns(OTHERS) if not any(fnmatchcase(n, p) for n in names)] == []


def test_the_text_of_each_foreign_licence_is_shipped():
    rows = [line.strip("|").split("|") for line in OTHERS.splitlines() if line.startswith("| `")]
    for row in rows:
        text = (ROOT / row[-1].strip().strip("`")).read_text(encoding="utf-8")
        name = row[2].strip()
        wanted = {"OFL": "SIL OPEN FONT LICENSE", "Apa": "Apache License", "fre": "permission"}
        assert wanted[name[:3]].lower() in text.lower(), row[0]
        if name.startswith("OFL"):
            assert name.replace("OFL", "Version") in text, row[0]


def test_a_new_font_would_be_missed():
    assert not covers("mltu/synthetic/data/fonts/New-Regular.ttf", patterns(OTHERS + OURS))
    assert not covers("Tutorials/03_handwriting_recognition/fonts/New.ttf", patterns(OURS))
