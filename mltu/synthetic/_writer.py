"""Data sets: many drawn words in the folders and annotation files of MJSynth (Synth90k)."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from mltu.synthetic._atlas import FontAtlas, in_processes, num_cores, shipped_atlas
from mltu.synthetic._images import TextImages
from mltu.synthetic._texts import ALPHABET, load_words, sample_word
from mltu.utils.checks import check_count
from mltu.utils.files import StrPath, atomic_folder

RECIPE_VERSION = 2  # raise it whenever the same seed gives other labels or other pixels
RECIPE_FILE = "recipe.json"

TRAIN, VALIDATION = 0, 1
ANNOTATION_FILES = ("annotation_train.txt", "annotation_val.txt")
_HEIGHT = 31  # pixels, as in MJSynth
_QUALITY = (79, 10, 45, 100)  # of the JPEG files: mean, deviation, least and most, as in MJSynth
_FIRST_FOLDER = (1, 9001)
_FILES_PER_FOLDER = 500
_FOLDERS_PER_FOLDER = 8
_JOBS_PER_CHUNK = 250


class Job(NamedTuple):
    """One image to write: its place in its split (0 train, 1 validation), its label, its file."""

    split: int
    number: int
    label: str
    file: str  # relative to the root, with "/" between the parts


def write_mjsynth(
    root: StrPath,
    *,
    num_train: int = 60_000,
    num_validation: int = 2_000,
    seed: int = 0,
    workers: int | None = None,
    fonts: Sequence[StrPath] | None = None,
    max_word_length: int | None = None,
    progress: bool = True,
    atlas: FontAtlas | None = None,
    kind: str = "plain_word",
) -> Path:
    """Write word images as `<root>/<d>/<dd>/<n>_<word>_<lexicon index>.jpg`, as MJSynth does.

    Beside them are `annotation_train.txt` and `annotation_val.txt` (`./1/1/1_Lube_20711.jpg
    20711` a line; none for a split without images), `lexicon.txt` (the index is the line number,
    from 0) and `recipe.json`.
    No label of the validation split occurs in the training split, in any case. Image i of a
    split follows from (seed, i) alone, so any number of workers writes the same bytes.

    The work happens in a sibling folder that is renamed at the end: an interrupted run leaves
    no `root`. A `root` that already has this very recipe is returned at once.

    Args:
        root: folder to make.
        num_train: number of training images.
        num_validation: number of validation images.
        seed: not negative.
        workers: number of processes; None takes one per core, 0 works in this process. A
            script that uses processes needs its `if __name__ == "__main__":`.
        fonts: font files, `shipped_fonts()` if None; each must draw [0-9A-Za-z].
        max_word_length: leave longer labels out.
        progress: show a progress bar.
        atlas: in place of `fonts`; some of its fonts must draw all of [0-9A-Za-z].
        kind: of the images, as in `TextImages`: "plain_word" is easy to read, "scene_word" is not.

    Returns:
        `root` as a path.

    Raises:
        FileExistsError: `root` has other files in it.
        FileNotFoundError: a font does not exist.
        ValueError: a count, the seed, the kind, a font or the atlas is unfit; or both are given.

    Source: Jaderberg et al., 2014, "Synthetic Data and Artificial Neural Networks for Natural
    Scene Text Recognition".
    """
    counts = {"num_train": num_train, "num_validation": num_validation}
    for name, value in {**counts, "seed": seed, "workers": workers or 0}.items():
        check_count(name, value, 0)
    if max_word_length is not None:
        check_count("max_word_length", max_word_length, 2)
    if fonts is not None and atlas is not None:
        raise ValueError("Pass `fonts` or `atlas`, not both.")
    if atlas is None:
        atlas = shipped_atlas() if fonts is None else FontAtlas.build(fonts, ALPHABET)
    elif not set(ALPHABET) <= set(atlas.characters) or not len(atlas.fonts_for(ALPHABET)):
        raise ValueError("No font of `atlas` has all of [0-9A-Za-z]. Build it with others.")
    images = TextImages(atlas, height=_HEIGHT, weights={kind: 1})
    root = Path(root)
    recipe = {
        "recipe": "mltu.synthetic.write_mjsynth",
        "version": RECIPE_VERSION,
        "seed": seed,
        **counts,
        "height": _HEIGHT,
        "max_word_length": max_word_length,
        "words_sha256": hashlib.sha256("\n".join(load_words()).encode("ascii")).hexdigest(),
        "kind": kind,
        "num_fonts": len(atlas),
        "fonts_sha256": atlas.digest(),
    }
    if _is_finished(root, recipe):
        return root
    with atomic_folder(root) as part:
        jobs = _write_texts(part, list(counts.values()), seed, max_word_length)
        _write_images(part, jobs, seed, images, workers, progress)
        # Numbers of NumPy are counts, too.
        text = json.dumps(recipe, indent=2, ensure_ascii=False, default=int) + "\n"
        (part / RECIPE_FILE).write_text(text, encoding="utf-8")
    return root


def is_validation_label(label: str) -> bool:
    """Tell the split of a label, whatever its case: one in ten belongs to validation.

    The rule looks at the label alone, so it holds for codes that nobody listed beforehand.
    """
    return zlib.crc32(label.lower().encode("ascii")) % 10 == 0


def write_chunk(jobs: Sequence[Job], images: TextImages, *, root: Path, seed: int) -> int:
    """Draw and write some images; return how many."""
    for folder in {(root / job.file).parent for job in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    mean, deviation, least, most = _QUALITY
    for job in jobs:
        rng = np.random.default_rng([seed, job.split, job.number, 1])
        image, _ = images.draw(rng, job.label)
        quality = min(max(round(rng.normal(mean, deviation)), least), most)
        done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise RuntimeError(f"OpenCV could not encode '{job.file}', an image of {image.shape}.")
        (root / job.file).write_bytes(jpeg.tobytes())
    return len(jobs)


def _is_finished(root: Path, recipe: Mapping[str, object]) -> bool:
    """Tell whether `root` has this recipe; raise if it has anything else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / RECIPE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == recipe:
        return True
    what = "files of another origin" if found is None else "a set of another recipe"
    raise FileExistsError(f"'{root}' has {what} in it. Choose another folder or remove this one.")


def _write_texts(
    part: Path, counts: Sequence[int], seed: int, max_word_length: int | None
) -> list[Job]:
    """Draw all labels, write lexicon and annotations, and return the images to draw."""
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
        if lines:  # An empty list is no part of a data set.
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
    images: TextImages,
    workers: int | None,
    progress: bool,
) -> None:
    starts = range(0, len(jobs), _JOBS_PER_CHUNK)
    chunks = [jobs[start : start + _JOBS_PER_CHUNK] for start in starts]
    num_workers = min(num_cores() if workers is None else workers, len(chunks))
    work = partial(write_chunk, root=part, seed=seed)
    with tqdm(total=len(jobs), unit="image", desc="rendering", disable=not progress) as bar:
        for count in in_processes(work, chunks, num_workers, images):
            bar.update(count)
