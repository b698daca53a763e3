"""Export a run folder from the command line: python -m mltu.onnx_export RUN."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mltu.onnx_export.runs import export_run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m mltu.onnx_export", description=__doc__)
    parser.add_argument("run", help="folder with model.keras and configs.yaml")
    parser.add_argument("--opset", type=int, help="of the ONNX file")
    parser.add_argument("--dynamic-width", action="store_true", help="leave the width free")
    parser.add_argument("--int8", action="store_true", help="write model.int8.onnx too")
    parser.add_argument("--trust", action="store_true", help="run the code of a Lambda layer")
    args = vars(parser.parse_args(arguments))
    try:
        figures, int8 = export_run(args.pop("run"), **args)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        parser.exit(1, f"{error}\n")
    print(f"model.onnx: {figures.to_text()}")
    if int8 is not None:
        print(int8.to_text())


if __name__ == "__main__":
    main()
