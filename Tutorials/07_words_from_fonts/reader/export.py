"""Export the averaged weights of a run as an ONNX file that reads images of any width.

python export.py RUN [--output model.onnx] [--pack FOLDER] [--half] [--int8]
"""

import argparse
from pathlib import Path

from drawing import CHANNELS, HEIGHT, PADDING
from images import WIDEN_TO, make_images
from network import text_reader
from state import load_average
from validation import SEED, draw_set, refresh_statistics

from mltu.onnx_export import export_onnx, quantize_onnx
from mltu.synthetic import LATIN

LEAST_HALVED = 256  # values; smaller tensors are shapes, offsets and scales
NUM_STATISTICS, NUM_VALIDATION = 2048, 512  # images
RETRY_BELOW = 0.5  # confidence
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
        "widen_to": WIDEN_TO,
        "scaling": "in_model",
        "outputs": "logits",
        "retry_below": RETRY_BELOW,
    }


def halve_weights(model):
    """Store the weights of an ONNX model in half precision; they are cast back when it is opened.

    onnxruntime does so once for a session, which then computes in float32 as before.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and values.size >= LEAST_HALVED:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--output", type=Path, help="The ONNX file; RUN/model.onnx if not given.")
    parser.add_argument("--pack", type=Path, help="Folder of packed fonts and texts.")
    parser.add_argument("--half", action="store_true", help="Store weights in half precision.")
    parser.add_argument("--int8", action="store_true", help="Write an int8 variant too.")
    args = parser.parse_args()
    model = text_reader(len(LATIN))
    load_average(args.run, model)
    images, _ = make_images(args.pack, HEIGHT)
    refresh_statistics(model, draw_set(images, NUM_STATISTICS, SEED + 2))
    output = args.output or args.run / "model.onnx"
    validation = [
        (batch[: len(texts)].astype("float32"), texts)
        for batch, texts in draw_set(images, NUM_VALIDATION, SEED + 3)
    ]
    print(export_onnx(model, output, metadata=card(), validation=validation).to_text())
    if args.int8:
        print(quantize_onnx(output, validation).to_text())
    if args.half:
        import onnx

        onnx.save(halve_weights(onnx.load(output)), output)
    print(f"{output}: {output.stat().st_size / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
