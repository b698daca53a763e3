"""What may come in: no more bytes than allowed, and no file that makes its decoder promise memory.

The number of pixels is checked by OpenCV itself: see OPENCV_IO_MAX_IMAGE_PIXELS in app.py.
"""

from fastapi import HTTPException

PNG = b"\x89PNG\r\n\x1a\n"
# JPEG, WebP, BMP, TIFF. OpenCV knows a dozen more, which nobody needs and anybody could attack.
OTHERS = (b"\xff\xd8\xff", b"RIFF", b"BM", b"II*\0", b"MM\0*")


class BodyLimit:
    """Refuse a body of more than `max_bytes`: by its announced length, or while it comes in.

    Starlette itself would write an upload of any size to the disk before the app sees it.
    """

    def __init__(self, app, max_bytes):
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope, receive, send):
        """Hand the request on, with a `receive` that counts."""
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
    """Tell whether a file is of a known kind and, as a PNG, holds what it announces.

    OpenCV 5.0 believes the length that a chunk of a PNG claims to have, and takes up to 2 GB of
    memory and some seconds for a file of a few bytes.
    """
    if not content.startswith(PNG):
        return content.startswith(OTHERS)
    position, kind = len(PNG), b""
    while kind != b"IEND" and position + 8 <= len(content):
        length, kind = content[position : position + 4], content[position + 4 : position + 8]
        position += 12 + int.from_bytes(length, "big")
    return kind == b"IEND" and position <= len(content)
