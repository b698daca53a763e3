"""Read images of words with a run's model, or with the one that comes with the library.

python inferenceModel.py IMAGE ... [--model RUN_FOLDER]
"""

import argparse
from pathlib import Path

from mltu.inferenceModel import TextRecognizer
from mltu.utils.files import use_utf8_output


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--model", help="an ONNX file or a run folder; the shipped reader if none")
    args = parser.parse_args(arguments)
    use_utf8_output()
    reader = TextRecognizer(args.model)
    for path in args.images:
        try:
            reading = reader.predict(path)
        except (OSError, ValueError) as error:
            print(f"{path}: {error}")
        else:
            print(f"{path}: {reading.text} ({reading.confidence:.0%})")


if __name__ == "__main__":
    main()
