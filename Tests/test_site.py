"""The documentation: it builds without a warning, its links lead somewhere, its code runs."""

import ast
import os
import re
import shutil
import subprocess
import sys
import wave
from html.parser import HTMLParser
from importlib.util import find_spec
from urllib.parse import unquote, urljoin, urlsplit

import cv2
import numpy as np
import pages
import pytest
from conftest import ROOT

from mltu.configs import BaseModelConfigs
from mltu.data_check._findings import CHECKS
from mltu.datasets import read_mjsynth, write_csv
from mltu.inferenceModel import TextRecognizer
from mltu.models import row_reader
from mltu.synthetic import ALPHABET, render_word, shipped_fonts

# Pages that train take a minute or more each.
FAST = {
    "docs/concepts.md",
    "docs/howto/headless.md",
    "mltu/inference/weights/README.md",
    "Tutorials/07_words_from_fonts/README.md",
}
FONT_FOLDER = shipped_fonts()[0].parent
_TRAIN = r"(python Tutorials/0{}\S*/train\.py)"
SMALL = {
    # Python
    r"epochs=(?!40)\d+": "epochs=1",
    r"epochs=40": "epochs=2",  # Those of a training that goes on.
    # mltu
    r"^(mltu train (?!--resume).*?)( --epochs \d+|$)": r"\1 --epochs 1",
    r"^(mltu train --resume .*--epochs) \d+": r"\1 2",
    r"(--num-train) \d+": r"\1 60",
    r"(--num-validation) \d+": r"\1 12",
    r"^(mltu bench .*)": r"\1 --images 16",
    r"^mltu check labels\.csv --folds 4":
        "mltu check validation.csv --folds 2 --start-from words_small --epochs 1",
    r"^(mltu check .* --learning-curve .*)": r"\1 --start-from words_small --epochs 1",
    # Tutorials
    _TRAIN.format(1) + "$": r"\1 data=words limit=64 train_epochs=1 model_path=trained",
    r"font_tools\.py /usr/share/fonts \S+ \S+": f"font_tools.py {FONT_FOLDER}",
    # Benchmarks
    r"before_after\.py --before CHECKOUT":
        f"before_after.py --before {ROOT.as_posix()} --images 64 --lines 1000 --rounds 1"
        " --only provider 'annotation file'",
    r"data_pipeline\.py": r"\g<0> --images 128 --rounds 1",
    r"data_scaling\.py --processes 1 2": "data_scaling.py --processes 1 --images 128 --rounds 1",
    r"benchmarks/gpu\.py":
        "benchmarks/gpu.py --backends torch --parts training --networks column_reader --batches 4"
        " --steps 1 --matrix 64",
    r"dataset_memory\.py": r"\g<0> --lines 1000 --lmdb 20 --rounds 1",
    r"benchmarks/training\.py --classic FOLDER":  # It would install TensorFlow 2.15.
        "benchmarks/training.py --rounds 1 --steps 1 --batch 4 --backends torch",
    r"benchmarks/inference\.py --run RUN": "benchmarks/inference.py --images 8 --rounds 1",
    r"cold_start\.py": r"\g<0> --rounds 1",
    r"rivals\.py SET --environment FOLDER":
        "rivals.py labels.tsv --environment none --readers mltu --limit 4 --speed-images 2"
        " --rounds 1",
    r"decoders\.py MJSYNTH --lexicon \S+": "decoders.py words --lexicon words.txt --limit 8",
    r"calibration\.py MJSYNTH IIIT5K/labels\.tsv": "calibration.py words labels.tsv",
    r"fine_tuning\.py captcha.*":
        "fine_tuning.py labels.csv --counts 16 --held-out 8 --starts words_small --epochs 1",
    r"word_generator\.py --atlas FOLDER.*": "word_generator.py --images 4 --rounds 1",
}  # fmt: skip


@pytest.fixture(scope="session")
def old_run(tmp_path_factory):
    """A run as mltu 0.1 left it: settings, and a model file of Keras 2's format."""
    folder = tmp_path_factory.mktemp("old") / "202211270035"
    configs = BaseModelConfigs()
    configs.height, configs.width, configs.vocab = 32, 128, ALPHABET
    configs.model_path = str(folder)
    configs.save()
    row_reader((32, 128, 3), len(ALPHABET)).save(folder / "model.h5")
    return folder


@pytest.fixture
def desk(words, old_run, tmp_path):
    """A folder with what the pages speak of: data sets, photos, a word, a recording, an old run."""
    shutil.copytree(old_run, tmp_path / "Models" / "1_image_to_word" / old_run.name)
    shutil.copytree(words, tmp_path / "words")
    samples = list(read_mjsynth(tmp_path / "words", "train"))[:80]
    write_csv(tmp_path / "labels.csv", samples)
    for name in ("validation.csv", "more.csv", "new.csv"):
        write_csv(tmp_path / name, samples[:16])
    lines = [f"{path}\t{label}\n" for path, label in samples]
    (tmp_path / "labels.tsv").write_text("path\tlabel\n" + "".join(lines), encoding="utf-8")
    known = "\n".join(label for _, label in read_mjsynth(tmp_path / "words", "val"))
    (tmp_path / "words.txt").write_text(known + "\n", encoding="utf-8")
    (tmp_path / "photos").mkdir()
    for name, (path, _) in zip(("1.png", "2.png"), samples, strict=False):
        cv2.imwrite(str(tmp_path / "photos" / name), cv2.imread(path))
    word = render_word("Harbour", shipped_fonts()[0], np.random.default_rng(0))
    cv2.imwrite(str(tmp_path / "word.png"), word)
    with wave.open(str(tmp_path / "number.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        noise = np.random.default_rng(0).normal(0, 1000, 8000)
        file.writeframes(noise.astype("<i2").tobytes())
    return tmp_path


def page_parameters():
    return [
        pytest.param(page, id=page, marks=() if page in FAST else pytest.mark.slow)
        for page in pages.PAGES
        if pages.steps_of(page, SMALL)
    ]


@pytest.mark.parametrize("page", page_parameters())
def test_the_code_of_a_page_runs(page, desk):
    speed = () if page in FAST else ("slow",)
    assert not (failure := pages.run_page(page, desk, SMALL, *speed)), failure


def test_the_reasons_are_needed_and_their_tests_exist():
    """A block in another language, or a command nobody can run, has failed while collecting."""
    commands = [
        (page, command)
        for page in pages.PAGES
        for block in pages.blocks_of(page)
        if block.language == "sh"
        for command in pages.commands_of(block)
    ]
    for pattern in pages.NOT_RUN:
        assert any(re.match(pattern, command) for _, command in commands), pattern
    for pattern in pages.RUN_BY:
        assert any(re.match(pattern, ": ".join(pair)) for pair in commands), pattern
    for pattern in SMALL:
        assert any(re.search(pattern, step) for step in all_steps()), pattern
    for test in pages.RUN_BY.values():
        module, _, name = test.partition(".")
        tree = ast.parse((ROOT / "Tests" / f"{module}.py").read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def all_steps():
    """Return all code and commands as the pages have them."""
    steps = [step for page in pages.PAGES for step in pages.steps_of(page, {})]
    return [step.get("code") or step["place"].partition(": ")[2] for step in steps]


def page_with(text, tmp_path, monkeypatch):
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    return "page.md"


@pytest.mark.parametrize(
    "text", ["```yaml\na: 1\n```\n", "```sh\nrm -r x\n```\n", "```python\nx = 1\n"]
)
def test_a_block_that_no_test_runs_is_refused(text, tmp_path, monkeypatch):
    page = page_with(text, tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=r"nobody runs|one of mltu or|not closed"):
        pages.steps_of(page, {})


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("```python\nx = [1]\n```\n  ```python\n  print(x)\n  ```\n```text\n[...]\n```\n", ""),
        ("```python\nprint(1)\n```\n```text\n2\n```\n", "page.md:1 prints\n1"),
        ("```python\nprint('98.7%')\n```\n```text\n99%\n```\n", ""),
        ("```python\nx = 1\n1 / 0\n```\n", 'File "page.md:1", line 2'),
        ("```sh\npython fails.py\n```\n", "status 1"),
    ],
)  # fmt: skip
def test_what_a_block_does_is_compared_with_the_page(text, fails, tmp_path, monkeypatch):
    page = page_with(text, tmp_path, monkeypatch)
    (tmp_path / "fails.py").write_text("raise SystemExit('no')", encoding="utf-8")
    failure = pages.run_page(page, tmp_path, {})
    assert (fails in failure) if fails else failure == ""


# The site


class Links(HTMLParser):
    """What a page of HTML points at, and the places in it that can be pointed at."""

    def __init__(self):
        super().__init__()
        self.targets, self.anchors = [], set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values.get("id"), values.get("name")}
        self.targets += [values[key] for key in ("href", "src") if values.get(key)]


def broken_links(site):
    """Return (page, link) for each link and picture of a built site that leads nowhere in it."""
    found = {}
    for file in site.rglob("*.html"):
        found[file] = Links()
        found[file].feed(file.read_text(encoding="utf-8"))
    broken = []
    for file, links in found.items():
        here = "http://site/" + file.relative_to(site).as_posix()
        for link in links.targets:
            parts = urlsplit(urljoin(here, link))
            if parts.netloc != "site" or file.name == "404.html":
                continue
            target = site / unquote(parts.path).lstrip("/")
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (
                parts.fragment
                and target in found
                and unquote(parts.fragment) not in found[target].anchors
                and parts.fragment != "__consent"
            ):
                broken.append((file.relative_to(site).as_posix(), link))
    return broken


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `mkdocs build --strict` writes it: a warning ends it, but not with `--quiet`."""
    for package in ("mkdocs", "material", "mkdocstrings_handlers"):
        if find_spec(package) is None:
            pytest.skip(f'{package} is not installed; pip install -e ".[docs]"')
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONUTF8": "1"},
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return place


@pytest.mark.slow
def test_links_and_pictures_of_the_site_lead_somewhere(site):
    assert broken_links(site) == []


@pytest.mark.slow
def test_the_site_has_every_page_and_loads_nothing_from_elsewhere(site):
    for page in pages.PAGES:
        place = site / page.removeprefix("docs/")
        folder = place.parent if place.name == "README.md" else place.with_suffix("")
        assert (folder / "index.html").is_file(), page
    text = (site / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(
        r'<(?:script|img|link rel="(?:stylesheet|icon)")[^>]*(?:src|href)="([^"]+)', text
    )
    assert loaded
    assert not [name for name in loaded if "//" in name]


@pytest.mark.slow
def test_the_site_fits_a_phone(site):
    """Pictures took three quarters of the width of the tutorials, and help texts were cut."""
    playwright = pytest.importorskip("playwright.sync_api")
    if (program := shutil.which("chromium")) is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto((site / "api/cli/index.html").as_uri())
        blocks = "[...document.querySelectorAll('pre > code')]"
        assert page.evaluate(f"{blocks}.every((one) => one.scrollWidth <= one.clientWidth)")
        page.goto((site / "Tutorials/index.html").as_uri())
        cells = "[...document.querySelectorAll('tbody tr')[0].children]"
        picture, text, *_ = page.evaluate(f"{cells}.map((one) => one.clientWidth)")
        assert picture <= text + 10
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("footer a[href*='github.com/pythonlessons/mltu']").count()
        assert page.locator("a.md-footer__link--next").count()
        browser.close()


def test_what_the_tutorials_import_has_a_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    pytest.importorskip("mkdocs")
    import hooks

    scripts = [path.read_text(encoding="utf-8") for path in ROOT.glob("Tutorials/0*/*.py")]
    imported = set(re.findall(r"^from mltu\.(\S+) import", "\n".join(scripts), re.MULTILINE))
    assert len(imported) > 10
    internal = {name for name in imported if "._" in name} | {"utils.files"}
    assert imported - internal <= set(hooks.ROOMS)


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text(
        '<h1 id="top"><a href="#top"></a><a href="#gone"></a><img src="../b.png">'
        '<a href="../c.html#x"></a><a href="https://example.org/no"></a><a href="../d.html"></a>',
        encoding="utf-8",
    )
    (tmp_path / "c.html").write_text('<p id="x">', encoding="utf-8")
    links = ["#gone", "../b.png", "../d.html"]
    assert broken_links(tmp_path) == [("a/index.html", link) for link in links]


# What the pages say


OTHERS = {
    *("bad_samples", "num_threads", "on_error", "predict_batch", "predict_stream", "short_first"),
    *("avx512_bf16", "input_shape"),
}


def offered():
    """Return every module of mltu with the names in it, as written."""
    names = {}
    for file in (ROOT / "mltu").rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        tree = ast.parse(file.read_text(encoding="utf-8"))
        kinds = ast.FunctionDef | ast.ClassDef
        own = {node.name for node in tree.body if isinstance(node, kinds)}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom | ast.Import):
                own |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Assign):
                own |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        names[".".join(part for part in parts if part != "__init__")] = own
    return names


def test_names_on_the_pages_exist():
    known = offered()
    every = set().union(*known.values(), CHECKS)
    for page in pages.PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        text = re.sub(r"^\| .*? \| ", "| ", text, flags=re.M) if "migrate" in page else text
        for name in re.findall(r"`(mltu(?:\.\w+)+)`", text):
            module, _, last = name.rpartition(".")
            assert name in known or last in known.get(module, ()) or last == "onnx", (page, name)
        if "howto" in page:
            for name in re.findall(r"`([A-Z][a-z]+[A-Z]\w+|[a-z]+_\w+)\b", text):
                assert name in every or name in OTHERS, (page, name)


def test_the_pictures_of_the_concepts_show_what_the_page_says(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import figures

    paths = figures.alignments("see", 5)
    assert len(paths) == len(set(paths)) == 7
    assert "see-e" in paths
    assert not {"seeee", "s-eee"} & set(paths)
    reader = TextRecognizer("words", force_cpu=True)
    assert figures.readings(figures.easy_word()[0], reader)[0] == "Coffee"
    image, label = figures.hard_word()
    path, beam = figures.readings(image, reader)
    assert (label, path, beam[0][0]) == ("exulting", "exlting", "exulting")
    assert beam[0][1] > beam[1][1] > 0.2


def test_the_api_lists_every_module_that_is_for_users(monkeypatch):
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import hooks

    modules = {path.stem for path in (ROOT / "mltu").iterdir() if path.stem[0] not in "_."}
    # What `data` holds is offered by `dataProvider`.
    hidden = {"cli", "data", "py", "utils"}
    assert {name.partition(".")[0] for name in hooks.ROOMS} - {"utils"} == modules - hidden
