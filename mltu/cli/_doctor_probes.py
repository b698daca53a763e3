"""What loads on this machine: each probe runs in a child process of `mltu doctor`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

REPLY = "mltu doctor: "  # before the answer, among what packages print


def main(name: str) -> None:
    """Run a probe and print its answer on one line; an exception becomes its `error`."""
    try:
        answer = PROBES[name]()
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}
    print(f"\n{REPLY}{json.dumps(answer)}", flush=True)


def _opencv() -> dict[str, Any]:
    import cv2
    import numpy as np

    blank = np.zeros((4, 4, 3), np.uint8)
    is_whole, data = cv2.imencode(".png", blank)
    if not is_whole or cv2.imdecode(data, cv2.IMREAD_COLOR) is None:
        raise RuntimeError("it writes no PNG that it can read")
    return {"version": cv2.__version__, "threads": cv2.getNumThreads()}


def _onnxruntime() -> dict[str, Any]:
    """Read an image with a shipped reader, on the CPU and where onnxruntime would by itself."""
    import numpy as np
    import onnxruntime

    from mltu.inference import TextRecognizer

    image = np.full((32, 128, 3), 255, np.uint8)
    TextRecognizer(force_cpu=True).predict(image)
    reader = TextRecognizer()
    reader.predict(image)
    return {
        "version": onnxruntime.__version__,
        "runs on": reader.model.get_providers()[0],
        "offers": ", ".join(onnxruntime.get_available_providers()),
    }


def _keras() -> dict[str, Any]:
    """Load Keras with its backend and add two numbers there."""
    import keras

    total = float(keras.ops.convert_to_numpy(keras.ops.sum(keras.ops.ones(2))))
    if total != 2.0:
        raise RuntimeError(f"1 + 1 is {total} on {keras.backend.backend()}")
    name = keras.backend.backend()
    return {"version": keras.__version__, "backend": name, "GPUs": _DEVICES[name]()}


def _tensorflow_gpus() -> int:
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def _jax_gpus() -> int:
    import jax

    return sum(device.platform != "cpu" for device in jax.devices())


def _torch_gpus() -> int:
    import torch

    return int(torch.cuda.device_count()) or int(torch.backends.mps.is_available())


PROBES: dict[str, Callable[[], dict[str, Any]]] = {
    "opencv": _opencv,
    "onnxruntime": _onnxruntime,
    "keras": _keras,
}
_DEVICES: dict[str, Callable[[], int]] = {
    "tensorflow": _tensorflow_gpus,
    "jax": _jax_gpus,
    "torch": _torch_gpus,
    "numpy": lambda: 0,
    "openvino": lambda: 0,
}
