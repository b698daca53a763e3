"""Data sets: many rendered words in the folders and annotation files of MJSynth (Synth90k)."""

import json
import multiprocessing
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from mltu.utils.checks import check_count
from mltu.utils.files import atomic_folder

from .atlas import FontAtlas
from .font_sheet import num_cores
from .painters import Painter, Recipe, plain_style, scene_style, sha256
from .render import IMAGE_HEIGHT
from .words import load_words, sample_word

RECIPE_VERSION = 1  # raise it whenever the same seed gives other labels or other pixels
RECIPE_FILE = "recipe.json"

TRAIN, VALIDATION = 0, 1
ANNOTATION_FILES = ("annotation_train.txt", "annotation_val.txt")
_FIRST_FOLDER = (1, 9001)
_FILES_PER_FOLDER = 500
_FOLDERS_PER_FOLDER = 8
_JOBS_PER_CHUNK = 250

_painters: list[Painter] = []  # in a worker process, the one it was started with


class Job(NamedTuple):
    """One image to write: its place in its split (0 train, 1 validation), its label, its file."""

    split: int
    number: int
    label: str
    file: str  # relative to the root, with "/" between the parts


def write_mjsynth(
    root: str | Path,
    *,
    num_train: int = 60_000,
    num_validation: int = 2_000,
    seed: int = 0,
    workers: int | None = None,
    fonts: Sequence[str | Path] | None = None,
    max_word_length: int | None = None,
    progress: bool = True,
    atlas: FontAtlas | None = None,
) -> Path:
    """Write word images as `<root>/<d>/<dd>/<n>_<word>_<lexicon index>.jpg`, as MJSynth does.

    Beside them lie `annotation_train.txt` and `annotation_val.txt` (`./1/1/1_Lube_20711.jpg
    20711` a line), `lexicon.txt` (the index is the line number, from 0) and `recipe.json`.
    No label of the validation split occurs in the training split, in any case. Image i of a
    split follows from (seed, i) alone, so any number of workers writes the same bytes.
    Pictures are those of `render_word`, or with an `atlas` those of `SceneWords`, in grey.

    The work happens in a sibling folder that is renamed at the end: an interrupted run leaves
    no `root`. A `root` that already holds this very recipe is returned at once.

    Args:
        root: folder to make.
        num_train: number of training images.
        num_validation: number of validation images.
        seed: not negative; another seed, another set.
        workers: number of processes; None takes one per core, 0 works in this process. A
            script that uses processes needs its `if __name__ == "__main__":`.
        fonts: font files, `shipped_fonts()` if None; each must draw [0-9A-Za-z].
        max_word_length: leave longer labels out.
        progress: show a progress bar.
        atlas: fonts for `SceneWords`, in place of `fonts`, drawn with their `family_weights`; it
            must draw [0-9A-Za-z].

    Returns:
        `root` as a path.

    Raises:
        FileExistsError: `root` holds something else.
        FileNotFoundError: a font does not exist.
        ValueError: a count, the seed, a font or the atlas is unfit; or both are given.

    Source: Jaderberg et al., 2014, "Synthetic Data and Artificial Neural Networks for Natural
    Scene Text Recognition".
    """
    counts = (num_train, num_validation)
    _check_numbers(counts, seed, workers, max_word_length)
    root = Path(root)
    painter, style = plain_style(fonts) if atlas is None else scene_style(atlas, fonts)
    recipe = _recipe(counts, seed, max_word_length) | style
    if _is_finished(root, recipe):
        return root
    with atomic_folder(root) as part:
        jobs = _write_texts(part, counts, seed, max_word_length)
        _write_images(part, jobs, seed, painter, workers, progress)
        text = json.dumps(recipe, indent=2, ensure_ascii=False) + "\n"
        (part / RECIPE_FILE).write_text(text, encoding="utf-8")
    return root


def is_validation_label(label: str) -> bool:
    """Tell the split of a label, whatever its case: one in ten belongs to validation.

    The rule looks at the label alone, so it holds for codes that nobody listed beforehand.
    """
    return zlib.crc32(label.lower().encode("ascii")) % 10 == 0


def write_chunk(jobs: Sequence[Job], *, root: Path, seed: int, painter: Painter) -> int:
    """Draw and write some images; return how many."""
    for folder in {(root / job.file).parent for job in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        (root / job.file).write_bytes(_encode(job, seed, painter))
    return len(jobs)


def start_worker(painter: Painter) -> None:
    """Keep the painter: an atlas that is not on disk travels once to each process."""
    cv2.setNumThreads(1)
    _painters.append(painter)


def write_chunk_in_worker(jobs: Sequence[Job], *, root: Path, seed: int) -> int:
    """Do the same in a process that `start_worker` has prepared."""
    return write_chunk(jobs, root=root, seed=seed, painter=_painters[-1])


def _encode(job: Job, seed: int, painter: Painter) -> bytes:
    image, quality = painter(job.label, np.random.default_rng([seed, job.split, job.number, 1]))
    done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"OpenCV could not encode '{job.file}', an image of {image.shape}.")
    return jpeg.tobytes()


def _check_numbers(
    counts: tuple[int, int], seed: int, workers: int | None, max_word_length: int | None
) -> None:
    lowest = {
        "num_train": (counts[TRAIN], 0),
        "num_validation": (counts[VALIDATION], 0),
        "seed": (seed, 0),
        "workers": (workers, 0),
        "max_word_length": (max_word_length, 2),
    }
    for name, (value, least) in lowest.items():
        if value is not None:
            check_count(name, value, least)


def _recipe(counts: tuple[int, int], seed: int, max_word_length: int | None) -> Recipe:
    """Describe the set, all but the style: equal recipes mean equal sets."""
    return {
        "recipe": "mltu.synthetic.write_mjsynth",
        "version": RECIPE_VERSION,
        "seed": seed,
        "num_train": counts[TRAIN],
        "num_validation": counts[VALIDATION],
        "height": IMAGE_HEIGHT,
        "max_word_length": max_word_length,
        "words_sha256": sha256("\n".join(load_words()).encode("ascii")),
    }


def _is_finished(root: Path, recipe: Recipe) -> bool:
    """Tell whether `root` holds this recipe; raise if it holds anything else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / RECIPE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == recipe:
        return True
    what = "files of another origin" if found is None else "a set of another recipe"
    raise FileExistsError(
        f"`root` must be a new folder or hold the set asked for. Received '{root}', "
        f"which holds {what}. Choose another folder or remove this one."
    )


def _write_texts(
    part: Path, counts: tuple[int, int], seed: int, max_word_length: int | None
) -> list[Job]:
    """Draw all labels, write lexicon and annotations, and return the images to render."""
    labels = [
        _draw_labels(split, count, seed, max_word_length) for split, count in enumerate(counts)
    ]
    lexicon = _lexicon(labels[TRAIN] + labels[VALIDATION])
    _write_lines(part / "lexicon.txt", lexicon)
    jobs: list[Job] = []
    for split, name in enumerate(ANNOTATION_FILES):
        lines = []
        for index, label in enumerate(labels[split]):
            entry = lexicon[label.lower()]
            job = Job(split, index, label, _file(split, index, label, entry))
            jobs.append(job)
            lines.append(f"./{job.file} {entry}")
        _write_lines(part / name, lines)
    return jobs


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii", newline="\n")


def _draw_labels(split: int, count: int, seed: int, max_word_length: int | None) -> list[str]:
    def belongs(label: str) -> bool:
        short = max_word_length is None or len(label) <= max_word_length
        return short and is_validation_label(label) == (split == VALIDATION)

    words = [word for word in load_words() if belongs(word)]
    rngs = (np.random.default_rng([seed, split, index, 0]) for index in range(count))
    return [sample_word(rng, words, accept=belongs) for rng in rngs]


def _lexicon(labels: Iterable[str]) -> dict[str, int]:
    """Map lower-case words to line numbers: the word list first, then the codes, sorted."""
    words = load_words()
    codes = sorted({label.lower() for label in labels}.difference(words))
    return {word: index for index, word in enumerate((*words, *codes))}


def _file(split: int, index: int, label: str, entry: int) -> str:
    folder, number = divmod(index, _FILES_PER_FOLDER)
    outer, inner = divmod(folder, _FOLDERS_PER_FOLDER)
    return f"{_FIRST_FOLDER[split] + outer}/{inner + 1}/{number + 1}_{label}_{entry}.jpg"


def _write_images(
    part: Path,
    jobs: Sequence[Job],
    seed: int,
    painter: Painter,
    workers: int | None,
    progress: bool,
) -> None:
    starts = range(0, len(jobs), _JOBS_PER_CHUNK)
    chunks = [jobs[start : start + _JOBS_PER_CHUNK] for start in starts]
    num_workers = min(num_cores() if workers is None else workers, len(chunks))
    with tqdm(total=len(jobs), unit="image", desc="rendering", disable=not progress) as bar:
        if num_workers == 0:
            for chunk in chunks:
                bar.update(write_chunk(chunk, root=part, seed=seed, painter=painter))
            return
        work = partial(write_chunk_in_worker, root=part, seed=seed)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(num_workers, context, start_worker, (painter,)) as pool:
            try:
                for count in pool.map(work, chunks):
                    bar.update(count)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
