"""Train a reader of text lines, by the script of tutorial 03.

What is different is here: configs.py has several widths, and data.py reads or draws lines.
`from configs import ...` and `from data import ...` find this folder first.
"""

import runpy
import sys
from pathlib import Path

WORDS = Path(__file__).resolve().parents[1] / "03_handwriting_recognition"

sys.path.append(str(WORDS))
runpy.run_path(str(WORDS / "train.py"), run_name="__main__")
