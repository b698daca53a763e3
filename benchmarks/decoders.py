"""What decoders gain and cost: greedy, beams, a lexicon, and the nearest words of a beam.

python benchmarks/decoders.py SET [--model words] [--lexicon words.txt] [--limit N]

A SET is the root of MJSynth, whose validation list is read, or a CSV or TSV file. The model runs
once; each decoder then reads the same outputs. The lexicon has a word in each line and is used
without regard to case; "nearest" takes the word of the lexicon that is nearest, by edit distance,
to any of the 5 best texts of a beam of 25. "in lexicon" counts the words that the lexicon has at
all. The last line printed is JSON.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from real_words import load_set
from tqdm import tqdm

from mltu.decoders import BeamDecoder, Lexicon, to_probabilities
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer, prepare_image
from mltu.synthetic import load_words
from mltu.utils.text_utils import ctc_decoder


def outputs_of(reader, samples):
    """Return the probabilities of all images, shape (images, time, classes).

    What is read from narrower images is followed by certain blanks, which change no text.
    """
    found = []
    for path, _ in tqdm(samples, "Running"):
        batch = prepare_image(path, reader.card)[None].astype(np.float32)
        outputs = reader.model.run(None, {reader.input_name: batch})[0]
        found.append(to_probabilities(outputs, reader.card.outputs)[0])
    padded = np.zeros((len(found), max(map(len, found)), len(reader.card.vocab) + 1), np.float32)
    padded[..., -1] = 1
    for row, outputs in zip(padded, found, strict=True):
        row[: len(outputs)] = outputs
    return padded


def best(decoder, outputs, vocab):
    """Return the most probable text of each row."""
    return [row[0].text if row else "" for row in decoder.decode(outputs, vocab)]


def nearest(words, outputs, vocab):
    """Return the word nearest to one of the 5 best texts of each row."""
    readings = []
    for row in BeamDecoder(25, num_best=5).decode(outputs, vocab):
        found = [
            process.extractOne(hypothesis.text.lower(), words, scorer=Levenshtein.distance)
            for hypothesis in row
        ]
        # The more probable text wins where the distances are equal.
        readings.append(min(found, key=lambda item: item[1])[0])
    return readings


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path, metavar="SET")
    parser.add_argument("--model", default="words", help="a shipped reader or an ONNX file")
    parser.add_argument("--lexicon", type=Path, help="a word in each line; the shipped if left out")
    parser.add_argument("--limit", type=int, help="read only the first N words")
    args = parser.parse_args()
    samples = load_set(args.set)[: args.limit]
    truths = [text for _, text in samples]
    words = args.lexicon.read_text(encoding="utf-8").split() if args.lexicon else load_words()
    words = sorted({word.lower() for word in words})
    reader = TextRecognizer(args.model, force_cpu=True)
    vocab = reader.card.vocab
    outputs = outputs_of(reader, samples)
    start = time.perf_counter()
    lexicon = Lexicon(words, ignore_case=True)
    lexicon.automaton(tuple(vocab))
    built = time.perf_counter() - start
    known = [text in lexicon for text in truths]
    if not any(known):
        raise SystemExit(f"None of the {len(truths)} words of {args.set} is in the lexicon.")
    decoders = {
        "greedy": lambda: ctc_decoder(outputs, vocab),
        "beam 10": lambda: best(BeamDecoder(10), outputs, vocab),
        "beam 25": lambda: best(BeamDecoder(25), outputs, vocab),
        "beam 10 + lexicon": lambda: best(BeamDecoder(10, 1, lexicon), outputs, vocab),
        "beam 25 + lexicon": lambda: best(BeamDecoder(25, 1, lexicon), outputs, vocab),
        "nearest": lambda: nearest(words, outputs, vocab),
    }
    print(f"{len(samples)} words, {np.mean(known):.1%} in the lexicon of {len(words)}, "
          f"built in {built:.1f} s")  # fmt: skip
    metrics = {"num_words": len(samples), "in_lexicon": float(np.mean(known)),
               "lexicon_words": len(words), "lexicon_seconds": round(built, 2)}  # fmt: skip
    for name, decode in decoders.items():
        start = time.perf_counter()
        readings = decode()
        milliseconds = (time.perf_counter() - start) / len(samples) * 1e3
        found = evaluate_readings(readings, truths)
        inside = evaluate_readings(
            *zip(*((r, t) for r, t, k in zip(readings, truths, known, strict=True) if k),
                 strict=True)
        )  # fmt: skip
        metrics[name] = {
            "ms_per_word": round(milliseconds, 2),
            "cer": found.cer.value,
            "cer_ignoring_case": found.cer_ignoring_case.value,
            "accuracy_ignoring_case": found.accuracy_ignoring_case.value,
            "cer_ignoring_case_in_lexicon": inside.cer_ignoring_case.value,
        }
        print(f"{name:18} {milliseconds:6.2f} ms/word  CER {found.cer}  "
              f"ignoring case {found.cer_ignoring_case}, "
              f"of words in the lexicon {inside.cer_ignoring_case.value:.2%}")  # fmt: skip
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
