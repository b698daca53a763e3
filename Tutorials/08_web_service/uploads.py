"""Limits of an upload: its bytes, and the kind of file.

OpenCV checks the number of pixels: see OPENCV_IO_MAX_IMAGE_PIXELS in app.py. mltu's ImageReader
checks the sizes that a file declares.
"""

from fastapi import HTTPException

# PNG, JPEG, WebP, BMP, TIFF. OpenCV knows a dozen more: not needed, and more to attack.
KNOWN = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"BM", b"II*\0", b"MM\0*")


class BodyLimit:
    """Refuse a body of more than `max_bytes`: by its declared length, or while it arrives.

    Starlette itself would write an upload of any size to the disk before the app sees it.
    """

    def __init__(self, app, max_bytes):
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope, receive, send):
        """Pass the request on with a `receive` that counts bytes."""
        announced = int(dict(scope.get("headers", ())).get(b"content-length", 0))
        received = 0

        async def counting_receive():
            nonlocal received
            self._check(announced)
            message = await receive()
            received += len(message.get("body", b""))
            self._check(received)
            return message

        await self.app(scope, counting_receive, send)

    def _check(self, num_bytes):
        if num_bytes > self.max_bytes:
            limit = f"{self.max_bytes / 1e6:g} MB"
            raise HTTPException(413, f"The upload is larger than {limit}. Send a smaller image.")


def may_be_decoded(content):
    """Tell whether a file is of a kind that the service reads."""
    return content.startswith(KNOWN)
