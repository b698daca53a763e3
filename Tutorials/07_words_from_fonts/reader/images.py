"""What the reader is trained on. Imports no framework: the processes that draw open it too."""

from mltu.synthetic import KINDS, LATIN, FontAtlas, TextImages


def make_images(pack, height, kinds=None):
    """Return what draws, and its vocabulary.

    Args:
        pack: folder with `texts.pack` and `atlas.pack`, or `atlas/` that was unpacked from it; the
            fonts and texts that come with mltu if None or where one is missing.
        height: of the images in pixels.
        kinds: names out of `KINDS`; all if None.
    """
    texts = pack / "texts.pack" if pack and (pack / "texts.pack").is_file() else None
    weights = None if kinds is None else {name: KINDS[name].weight for name in kinds}
    images = TextImages(
        _atlas(pack), texts, height=height, color=True, max_width=1024, weights=weights
    )
    return images, LATIN


def _atlas(pack):
    """Unpack the fonts once, so that processes share their pages; None if there are none."""
    if pack is None:
        return None
    folder, file = pack / "atlas", pack / "atlas.pack"
    if not folder.exists() and file.is_file():
        FontAtlas.unpack(file, folder)
    return folder if folder.exists() else None
