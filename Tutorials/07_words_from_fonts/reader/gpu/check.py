"""Check in seconds whether all that training needs works here: imports, the device, some steps.

python check.py CHUNKS_PER_BATCH ...
"""

import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from drawing import CHANNELS, HEIGHT, PIXELS_PER_STEP, chunk_shape

START = time.monotonic()


def main():
    """Print what was found; raise what fails."""
    import cv2
    import keras
    import numpy as np
    from network import text_reader
    from steps import make_trainer

    backend = keras.backend.backend()
    print(
        f"Python {sys.version.split()[0]}, numpy {np.__version__}, OpenCV {cv2.__version__}, Keras "
        f"{keras.__version__} on {backend}, {os.cpu_count()} cores, /dev/shm "
        f"{shutil.disk_usage('/dev/shm').free >> 30} GiB free"
    )
    if backend == "torch":
        import torch

        print(torch.__version__, torch.cuda.is_available() and torch.cuda.get_device_name())
    elif backend == "jax":
        import jax

        print(jax.__version__, jax.devices())
    keras.config.set_dtype_policy("mixed_bfloat16")
    trainer = make_trainer(text_reader(194))
    for chunks in map(int, sys.argv[1:]):
        for width in (96, 192, 1024):
            speed = try_steps(trainer, chunk_shape(width), chunks)
            seconds = time.monotonic() - START
            print(f"{chunks} chunks of width {width}: {speed}, after {seconds:.1f} s")


def try_steps(trainer, shape, chunks, num_steps=12):
    """Train on noise and return the images per second; the first two steps are not counted."""
    import numpy as np

    rng, count = np.random.default_rng(0), shape.num_images * chunks
    images = rng.integers(0, 256, (count, HEIGHT, shape.width, CHANNELS)).astype(np.uint8)
    labels = np.full((count, shape.max_label), 194, np.int16)
    labels[:, :5] = rng.integers(0, 194, (count, 5))
    frames = np.full((count, shape.width // PIXELS_PER_STEP), 194, np.int16)
    losses = []
    for number in range(num_steps):
        if number == 2:
            losses = [float(loss) for loss in losses]  # waits for the device
            start = time.monotonic()
        losses.append(trainer.step(trainer.send(images, labels, frames), 1e-3, 1.0))
    losses = [float(loss) for loss in losses]
    seconds = time.monotonic() - start
    if not np.isfinite(losses).all():
        raise SystemExit(f"The loss is not finite: {losses}")
    return (
        f"{count * (num_steps - 2) / seconds:.0f} images/s, loss {losses[0]:.3f}, {losses[-1]:.3f}"
    )


if __name__ == "__main__":
    main()
