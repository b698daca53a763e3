"""Send many images to the service at once, and say how long the answers took.

python load.py [--url http://127.0.0.1:8000] [--uploads 1000] [--at-once 200]
"""

import argparse
import asyncio
import ssl
import time
from collections import Counter

import cv2
import httpx
import numpy as np

from mltu.synthetic import load_words, render_word, shipped_fonts


def render(count):
    """Render words as PNG files."""
    rng = np.random.default_rng(0)
    fonts, words = shipped_fonts(), load_words()
    chosen = [words[i] for i in rng.integers(len(words), size=count)]
    images = [render_word(word, fonts[rng.integers(len(fonts))], rng) for word in chosen]
    return [cv2.imencode(".png", image)[1].tobytes() for image in images]


async def send(url, certificates, waiting, outcomes):
    """Send one image after the other until none is left; note (status, seconds) of each."""
    # A client each: the connections of one client would wait for one another.
    async with httpx.AsyncClient(base_url=url, timeout=60, verify=certificates) as client:
        while waiting:
            files = {"image": ("word.png", waiting.pop(), "image/png")}
            begin = time.perf_counter()
            response = await client.post("/read", files=files)
            outcomes.append((response.status_code, time.perf_counter() - begin))


async def measure(url, images, at_once):
    """Return the outcomes and the seconds of all together."""
    outcomes, certificates = [], ssl.create_default_context()
    begin = time.perf_counter()
    await asyncio.gather(*(send(url, certificates, images, outcomes) for _ in range(at_once)))
    return outcomes, time.perf_counter() - begin


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=200)
    args = parser.parse_args()

    if args.uploads < 1 or args.at_once < 1:
        parser.error("--uploads and --at-once must be at least 1.")
    try:
        outcomes, seconds = asyncio.run(measure(args.url, render(args.uploads), args.at_once))
    except httpx.TransportError:
        parser.error(f"No service answers at {args.url}. Start it: python app.py")
    waits = sorted(1000 * wait for _, wait in outcomes)
    p50, p95 = (waits[int(len(waits) * part)] for part in (0.5, 0.95))
    print(
        f"{len(outcomes)} uploads, {args.at_once} at once: {len(outcomes) / seconds:.0f} per second"
    )
    print(f"answered in {p50:.0f} ms (p50), {p95:.0f} ms (p95), {waits[-1]:.0f} ms (longest)")
    print(f"statuses: {dict(Counter(status for status, _ in outcomes))}")


if __name__ == "__main__":
    main()
