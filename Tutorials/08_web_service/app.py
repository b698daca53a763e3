"""A web service that reads words: POST /read takes an image, GET / is a page to drop one on.

`python app.py --help` lists the configs of configs.py, `python app.py port=8001` changes one, and
so does an environment variable: READER_MAX_BYTES=1000000.
"""

import os

# The page says that nothing is passed on, and onnxruntime looks here when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import uvicorn
from batcher import Batcher, TooManyWaitingError
from configs import ServiceConfigs
from fastapi import FastAPI, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from uploads import BodyLimit, may_be_decoded

from mltu.inferenceModel import TextRecognizer

PAGE = Path(__file__).with_name("page")


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


def make_app(configs, load=TextRecognizer):
    """Build the service; the model is loaded when it starts."""
    # OpenCV reads this when it is first imported, which loading the model does.
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(configs.max_pixels)

    def read_batch(images):
        safe = [image if may_be_decoded(image) else b"" for image in images]
        return app.state.recognizer.predict_batch(safe, on_error="keep")

    @asynccontextmanager
    async def lifespan(app):
        app.state.recognizer = load(configs.model, num_threads=configs.num_threads or None)
        # The first image imports more; no user should wait for that.
        app.state.recognizer.predict(np.zeros((32, 128, 3), np.uint8))
        app.state.batcher = batcher = Batcher(
            read_batch,
            max_batch=configs.max_batch,
            max_wait=configs.max_wait_ms / 1000,
            max_waiting=configs.max_waiting,
        )
        serving = asyncio.create_task(batcher.run())
        yield
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    app = FastAPI(title="Word reader", lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=configs.max_bytes)

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
                f"{configs.max_pixels / 1e6:g} megapixels. Received {len(content):,} bytes of "
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


is_program = __name__ == "__main__"  # else it is imported, as by `uvicorn app:app`
configs = ServiceConfigs.from_environment(arguments=sys.argv[1:] if is_program else ())
app = make_app(configs)

if is_program:
    uvicorn.run(
        app,
        host=configs.host,
        port=configs.port,
        limit_concurrency=configs.max_connections,
        timeout_keep_alive=20,  # longer than clients wait, so that none reuses a closed one
    )
