"""Write the notebooks of the tutorials from their scripts: python Tutorials/notebooks.py

Needs `pip install jupytext`. The cells of a script begin with `# %%`.
"""

import re
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).parent
NOTEBOOKS = {
    "01_image_to_word/image_to_word.ipynb": ["configs", "model", "train", "inferenceModel"],
    "06_your_own_data/your_own_data.ipynb": ["configs", "data", "train"],
}
INSTALL = """\
# Installs the library where it is missing, as in Colab.
import importlib.util

if importlib.util.find_spec("mltu") is None:
    %pip install -q "mltu[tensorflow]"
"""
PICTURES = """\
from IPython.display import Image, display

for picture in sorted(run.glob("*.png")):
    display(Image(picture))
"""
CHANGES = {  # what is different in a notebook: it has no command line, and its cells are one module
    r"^from (configs|data|model) import .*\n": "",
    r"from_command_line\(\)": 'from_command_line([])  # such as ["train_epochs=1"]',
    r"^    run = sys\.argv.*\n": "",
}


def make_notebook(name):
    """Return a notebook of the texts as they are in the folder of a tutorial."""
    folder = (FOLDER / name).parent
    parts = {script: cells_of(folder / f"{script}.py") for script in NOTEBOOKS[name]}
    title, *training = parts.pop("train")
    reading = parts.pop("inferenceModel", [])
    install, pictures = (nbformat.v4.new_code_cell(text.strip()) for text in (INSTALL, PICTURES))
    modules = [cell for cells in parts.values() for cell in cells]
    cells = [title, install, *modules, *training, *reading, pictures]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
        cell.metadata.clear()
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def cells_of(script):
    """Return the cells of a script; its docstring becomes a cell of text."""
    text = script.read_text(encoding="utf-8")
    for pattern, replacement in CHANGES.items():
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    docstring, code = re.match(r'(?:"""(.*?)"""\n)?(.*)', text, re.DOTALL).groups()
    headings = [f"**{script.name}**: {docstring}"] if docstring else []
    cells = jupytext.reads(code.strip(), "py:percent").cells
    return [*map(nbformat.v4.new_markdown_cell, headings), *cells]


if __name__ == "__main__":
    for name in NOTEBOOKS:
        nbformat.write(make_notebook(name), FOLDER / name)
