"""Draw the pictures of `concepts.md` and of the README: `python docs/figures.py [FOLDER]`.

All is computed: alignments by trying every path, probabilities by the shipped reader `words` on
words that `mltu.synthetic` draws, texts by `mltu.decoders`.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mltu.decoders import BeamDecoder, greedy_path, to_probabilities
from mltu.inferenceModel import TextRecognizer, prepare_image
from mltu.synthetic import TextImages, load_words, render_word, shipped_fonts

BLANK = "-"
TEXT, NUM_STEPS = "see", 5
SEED = 203  # of a word on which greedy decoding and beam search differ; most have none.
SHOWN = [
    ("scene_word", "Coffee"), ("display", "17:45"), ("scene_line", "Fish & Chips"),
    ("receipt_line", "TOTAL €12.95"), ("plain_word", "naïve"),
    ("scan_line", "It was the best of times,"),
    ("distant_word", "HARBOUR"), ("screen_line", "Enregistrer sous…"), ("code", "WVW-386752"),
    ("covered", "OPEN"), ("mixed_line", "São Paulo, 25 °C"), ("scan_word", "“Hamlet”"),
    ("distant_line", "Mind the gap"), ("stamped", "Rechnung Nr. 2026"), ("screen_word", "Weiter"),
]  # fmt: skip
SURE = 0.9  # Probabilities from here on, and from one less this down, have no number.


def alignments(text: str, num_steps: int) -> list[str]:
    """Return all paths that stand for a text: repeats merge, blanks go."""
    found = []
    for path in product([*sorted(set(text)), BLANK], repeat=num_steps):
        kept = [c for c, before in zip(path, ("", *path), strict=False) if c != before]
        if "".join(kept).replace(BLANK, "") == text:
            found.append("".join(path))
    return sorted(found, key=lambda path: (path.count(BLANK), path))


def probabilities_of(reader: TextRecognizer, image: np.ndarray) -> np.ndarray:
    """Return what the reader's network says of an image, shape (1, time, classes)."""
    prepared = prepare_image(image, reader.card)[None].astype(np.float32)
    outputs = reader.model.run(None, {reader.input_name: prepared})[0]
    return to_probabilities(outputs, reader.card.outputs)


def as_text(classes: np.ndarray, reader: TextRecognizer) -> str:
    return "".join(reader.card.vocab[index] for index in classes)


def hard_word() -> tuple[np.ndarray, str]:
    """Draw the word on which the two decoders differ; return it with its true text."""
    rng, words = np.random.default_rng(SEED), load_words()
    label = words[rng.integers(len(words))]
    images = TextImages(height=31, color=False)
    return images.draw(rng, label, kind="scene_word")[0], label


def draw_alignments() -> Figure:
    """Show each alignment of a text as a row of cells."""
    paths = alignments(TEXT, NUM_STEPS)
    figure = Figure((1.2 + 0.5 * NUM_STEPS, 0.8 + 0.36 * len(paths)), layout="constrained")
    axes = figure.add_subplot()
    colours = dict(zip(sorted(set(TEXT)), ("#b2dfdb", "#ffe0b2", "#d1c4e9"), strict=False))
    for row, path in enumerate(paths):
        for step, symbol in enumerate(path):
            colour = colours.get(symbol, "#eceff1")
            cell = Rectangle((step - 0.46, row - 0.42), 0.92, 0.84, facecolor=colour)
            axes.add_patch(cell)
            axes.text(step, row, symbol, ha="center", va="center", fontsize=11)
    axes.set(xlim=(-0.6, NUM_STEPS - 0.4), ylim=(len(paths) - 0.4, -0.6), yticks=[])
    axes.set(xticks=range(NUM_STEPS), xticklabels=range(1, NUM_STEPS + 1), xlabel="time step")
    title = f"the {len(paths)} alignments of “{TEXT}”\nin {NUM_STEPS} time steps"
    axes.set_title(title, fontsize=11)
    axes.spines[:].set_visible(False)
    return figure


def draw_steps(image: np.ndarray, reader: TextRecognizer, title: str) -> Figure:
    """Show an image over the probabilities of each time step, with the greedy path marked."""
    probabilities = probabilities_of(reader, image)[0]
    names = [*reader.card.vocab, BLANK]
    shown = [i for i in range(len(names) - 1) if probabilities[:, i].max() > 0.1]
    shown.sort(key=lambda index: int(probabilities[:, index].argmax()))
    shown.append(len(names) - 1)
    figure = Figure((9, 1.6 + 0.3 * len(shown)), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(1.5, 0.3 * len(shown)))
    num_steps = len(probabilities)
    extent = (-0.5, num_steps - 0.5, 0, 1)
    shown_image = prepare_image(image, reader.card)[..., ::-1]  # with its padding
    upper.imshow(shown_image, aspect="auto", extent=extent)
    upper.set(xticks=[], yticks=[], title=title)
    lower.imshow(probabilities[:, shown].T, cmap="Greens", aspect="auto", vmin=0, vmax=1)
    lower.set(yticks=range(len(shown)), yticklabels=[names[i] for i in shown], xlabel="time step")
    path = probabilities.argmax(axis=1)
    for step, index in enumerate(path):
        if probabilities[step, index] >= SURE:
            lower.plot(step, shown.index(index), "o", color="white", ms=3)
    for row, index in enumerate(shown):
        for step in range(num_steps):
            value = probabilities[step, index]
            if 1 - SURE < value < SURE:
                colour = "white" if value > 0.5 else "black"
                options = {"ha": "center", "va": "center", "fontsize": 8, "color": colour}
                weight = "bold" if path[step] == index else "normal"
                lower.text(step, row, f"{value:.1f}"[1:], weight=weight, **options)
    return figure


def easy_word() -> tuple[np.ndarray, str]:
    """Draw a word as the tutorials render them; return it with its text."""
    image = render_word("Coffee", shipped_fonts()[0], np.random.default_rng(3))
    return image.mean(axis=2).astype(np.uint8), "Coffee"


def readings(image: np.ndarray, reader: TextRecognizer) -> tuple[str, list[tuple[str, float]]]:
    """Return the greedy text, and the beam search's three best with probabilities."""
    probabilities = probabilities_of(reader, image)
    path = as_text(greedy_path(probabilities)[0].classes, reader)
    found = BeamDecoder(25, num_best=3).decode(probabilities, reader.card.vocab)[0]
    return path, [(best.text, float(np.exp(best.log_probability))) for best in found]


def draw_readings(reader: TextRecognizer, columns: int = 3) -> Figure:
    """Show an image of each kind with what is read, and with the truth where that differs."""
    images, tiles = TextImages(height=40), []
    for number, (kind, text) in enumerate(SHOWN):
        image, _ = images.draw(np.random.default_rng([1, number]), text, kind=kind)
        tiles.append((image, text, reader.predict(image)))
    rows = -(-len(tiles) // columns)
    figure = Figure((11, 0.8 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns).flat)
    for ax in axes:
        ax.axis("off")
    for ax, (image, text, reading) in zip(axes, tiles, strict=False):
        ax.imshow(image[..., ::-1])
        title = f"{reading.text}  {reading.confidence:.0%}"
        is_right = reading.text == text
        ax.set_title(title if is_right else f"{title}\ntruth: {text}", fontsize=9)
    return figure


def main(folder: Path) -> None:
    """Write the pictures."""
    reader = TextRecognizer("words", force_cpu=True)
    (easy, _), (hard, _) = easy_word(), hard_word()
    path, beam = readings(hard, reader)
    found = ", ".join(f"“{text}” {probability:.2f}" for text, probability in beam)
    figures = {
        "readings": draw_readings(reader),
        "ctc_alignments": draw_alignments(),
        "ctc_steps": draw_steps(easy, reader, f"read: “{readings(easy, reader)[0]}”"),
        "ctc_beam": draw_steps(hard, reader, f"greedy: “{path}”; beam search: {found}"),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent))
