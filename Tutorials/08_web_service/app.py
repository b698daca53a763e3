"""A web service that reads words: POST /read takes an image, GET / is a page to drop one on.

python app.py [--host 127.0.0.1] [--port 8000]

Everything else is set by environment variables: see Settings.
"""

import os

# The page says that nothing is passed on, and onnxruntime looks here when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import argparse
import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import uvicorn
from batcher import Batcher, TooManyWaitingError
from fastapi import FastAPI, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from uploads import BodyLimit, may_be_decoded

from mltu.inference import find_pretrained
from mltu.inferenceModel import TextRecognizer

PAGE = Path(__file__).with_name("page")
MAX_CONNECTIONS = 512  # More are answered with 503 before their upload is read.


@dataclass(frozen=True)
class Settings:
    """Each is set by an environment variable: READER_MODEL, READER_MAX_BYTES, ..."""

    model: str = str(find_pretrained())
    max_bytes: int = 4_000_000  # of a request; an image of a word has a few thousand
    max_pixels: int = 16_000_000  # of an image, before it is decoded
    max_batch: int = 64  # images through the model at once
    max_wait_ms: float = 3  # for which an image waits for others
    max_waiting: int = 256  # images; times max_bytes, the memory that they may take
    num_threads: int = 0  # of onnxruntime; 0 for its default

    @classmethod
    def from_environment(cls, environment=os.environ):
        """Read the variables that are set, each in the type of its default."""
        given = {}
        for field in fields(cls):
            name = f"READER_{field.name.upper()}"
            if name in environment:
                given[field.name] = _parse(name, environment[name], field.type)
        return cls(**given)


def _parse(name, text, kind):
    try:
        return kind(text)
    except ValueError:
        raise SystemExit(f"{name} must be a number ({kind.__name__}). Received {text!r}.") from None


async def unless_client_leaves(request, work):
    """Await `work`; cancel it and return None if the client disconnects first."""
    work = asyncio.ensure_future(work)
    # The body has been read: the next message can only be the end of the connection.
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        work.cancel()
        leaving.cancel()


def make_app(settings, load=TextRecognizer):
    """Build the service; the model is loaded when it starts."""
    # OpenCV reads this when it is first imported, which loading the model does.
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(settings.max_pixels)

    def read_batch(images):
        safe = [image if may_be_decoded(image) else b"" for image in images]
        return app.state.recognizer.predict_batch(safe, on_error="keep")

    @asynccontextmanager
    async def lifespan(app):
        app.state.recognizer = load(settings.model, num_threads=settings.num_threads or None)
        # The first image imports more; no user should wait for that.
        app.state.recognizer.predict(np.zeros((32, 128, 3), np.uint8))
        app.state.batcher = batcher = Batcher(
            read_batch,
            max_batch=settings.max_batch,
            max_wait=settings.max_wait_ms / 1000,
            max_waiting=settings.max_waiting,
        )
        serving = asyncio.create_task(batcher.run())
        yield
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    app = FastAPI(title="Word reader", lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=settings.max_bytes)

    @app.exception_handler(RequestValidationError)
    async def refuse_form(request, error):
        return JSONResponse(
            {"detail": "The form must have a file `image`: curl -F image=@word.png URL/read"}, 422
        )

    @app.post("/read")
    async def read(request: Request, image: UploadFile):
        """Read the word in a PNG, JPEG, WebP, BMP or TIFF file."""
        content = await image.read()
        try:
            reading = await unless_client_leaves(request, app.state.batcher.read(content))
        except TooManyWaitingError as error:
            sentence = f"{error} Try again in a second."
            raise HTTPException(503, sentence, {"Retry-After": "1"}) from None
        if reading is None:
            return Response(status_code=499)  # nginx's status for it; nobody receives it.
        if reading.error is not None:
            raise HTTPException(
                422,
                "`image` must be a whole PNG, JPEG, WebP, BMP or TIFF file of at most "
                f"{settings.max_pixels / 1e6:g} megapixels. Received {len(content):,} bytes of "
                "something else. Send another file.",
            )
        said = reading.to_dict()
        del said["error"]
        return said

    @app.get("/health")
    async def health():
        """Tell that the service runs, and how many images are waiting."""
        return {"status": "ok", "waiting": app.state.batcher.queue.qsize()}

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


app = make_app(Settings.from_environment())

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from elsewhere")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=20,  # longer than clients wait, so that none reuses a closed one
    )
