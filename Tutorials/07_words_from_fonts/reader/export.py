"""Export the averaged weights of a run as an ONNX file that reads images of any width.

python export.py RUN [--output model.onnx]
"""

import argparse
from pathlib import Path

from drawing import CHANNELS, HEIGHT, PADDING
from network import text_reader
from state import load_average

from mltu.onnx_export import export_onnx
from mltu.synthetic import LATIN

WIDEST = 2048  # pixels; wider images are made smaller


def card(height=HEIGHT, widest=WIDEST):
    """Return how images are prepared: padded to the next 32 pixels, so that many share a width."""
    return {
        "vocab": LATIN,
        "color": "BGR",
        "height": height,
        "width": list(range(32, widest + 1, 32)),
        "channels": CHANNELS,
        "resize": "fit",
        "padding_color": [PADDING] * CHANNELS,
        "scaling": "inside",
        "outputs": "logits",
    }


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--output", type=Path, help="The ONNX file; RUN/model.onnx if not given.")
    args = parser.parse_args()
    model = text_reader(len(LATIN))
    load_average(args.run, model)
    output = args.output or args.run / "model.onnx"
    print(export_onnx(model, output, metadata=card()))
    print(f"{output}: {output.stat().st_size / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
