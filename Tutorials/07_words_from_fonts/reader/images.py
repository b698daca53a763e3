"""What the reader is trained on. Imports no framework: the processes that draw open it too."""

from mltu.synthetic import KINDS, LATIN, FontAtlas, TextImages

WIDEN_TO = 3.0  # width / height of short words, and of signs that rise steeply


def make_images(pack, height, kinds=None):
    """Return what draws, and its vocabulary.

    Args:
        pack: folder with `texts.pack` and `atlas.pack`, or `atlas/` that was unpacked from it; the
            fonts and texts that come with mltu if None or where one is missing.
        height: of the images in pixels.
        kinds: names out of `KINDS`, or `NAME=WEIGHT` for another share than theirs; all if None.
    """
    texts = pack / "texts.pack" if pack and (pack / "texts.pack").is_file() else None
    weights = None if kinds is None else dict(map(_weight, kinds))
    images = TextImages(
        _atlas(pack), texts, height=height, max_width=1024, widen_to=WIDEN_TO, weights=weights
    )
    return images, LATIN


def _weight(kind):
    """Split `NAME=WEIGHT`, or take the weight that the kind has."""
    name, equals, weight = kind.partition("=")
    if not equals and name in KINDS:  # `TextImages` refuses names that it does not know.
        weight = KINDS[name].weight
    return name, float(weight or 0)


def _atlas(pack):
    """Unpack the fonts once, so that processes share their pages; None if there are none."""
    if pack is None:
        return None
    folder, file = pack / "atlas", pack / "atlas.pack"
    if not folder.exists() and file.is_file():
        FontAtlas.unpack(file, folder)
    return folder if folder.exists() else None
