# ruff: noqa: E501
"""Collect words with their frequencies and lines of prose from Debian's packages and `wordfreq`.

python word_lists.py texts.pack

Needs `pip install wordfreq` and Debian's w* lists, fortunes*, debian-handbook, perl-doc, anarchism.
"""

import html
import re
import sys
import unicodedata
import zipfile
from pathlib import Path

from mltu.synthetic import LATIN
from mltu.utils.files import atomic_path

LISTS = {
    "en": ("american-english-large", "british-english-large"), "de": ("ngerman",),
    "fr": ("french",), "es": ("spanish",), "it": ("italian",), "pt": ("portuguese",),
}  # fmt: skip
NUM_FREQUENT, NUM_RARE = 30_000, 40_000  # words of a language with a frequency, and without
PROSE_BYTES = {"en": 3_000_000, "de": 1_000_000, "fr": 1_000_000, "es": 1_000_000, "it": 700_000,
               "pt": 1_000_000}  # fmt: skip
FORTUNES, HANDBOOK = Path("/usr/share/games/fortunes"), Path("/usr/share/doc/debian-handbook/html")
_LETTERS = {char for char in LATIN if char.isalpha() and char not in "ªº"} | {"'", "-"}
_KNOWN = set(LATIN)


def words_of(language):
    """Return the words with occurrences in 100 million, the most frequent first."""
    import wordfreq

    listed = set()
    for name in LISTS[language]:
        text = Path("/usr/share/dict", name).read_text("utf-8")
        listed.update(unicodedata.normalize("NFC", word) for word in text.split())
    listed = {word for word in listed if len(word) <= 24 and set(word) <= _LETTERS}
    cased = {word.lower(): word for word in sorted(listed)}  # small letters win
    counts = {}
    for word, share in wordfreq.get_frequency_dict(language, "best").items():
        if len(counts) < NUM_FREQUENT and set(word) <= _LETTERS:
            known = word in cased or len(word) > 3 or share > 1e-5
            if known:
                counts[cased.get(word, word)] = max(round(share * 1e8), 1)
    rest = sorted(listed - counts.keys())
    step = max(len(rest) / NUM_RARE, 1)
    rare = [rest[int(i * step)] for i in range(int(len(rest) / step))]
    return {**dict(sorted(counts.items(), key=lambda item: -item[1])), **dict.fromkeys(rare, 0)}


def prose_of(language):
    """Return paragraphs of running text, each a line."""
    texts = []
    places = {"en": [FORTUNES], "de": [FORTUNES / "de"], "es": [FORTUNES / "es"],
              "it": [FORTUNES / "it"], "pt": [FORTUNES / "brasil"]}.get(language, [])  # fmt: skip
    for place in places:
        files = sorted(place.iterdir() if place.is_dir() else [place])
        for path in files:
            if (
                path.is_file()
                and not path.is_symlink()
                and path.suffix not in (".dat", ".u8")
                and (path.name != "brasil" or language == "pt")
            ):
                for text in read(path).split("\n%"):
                    texts += text.split("\n\n")
    for folder in sorted(HANDBOOK.glob(f"{language}*")):
        for path in sorted(folder.glob("*.html")):
            texts += paragraphs(read(path))
    if language == "en":
        pods = sorted(Path("/usr/share/perl").rglob("*.pod"))
        texts += [p for path in pods for p in read(path).split("\n\n") if p[:1].isupper()]
        pages = sorted(Path("/usr/share/doc/anarchism/html").glob("*.html"))
        texts += [p for path in pages[::6] for p in paragraphs(read(path))]
    lines = dict.fromkeys(clean(" ".join(text.split())) for text in texts)
    kept = [t for t in lines if set(t) <= _KNOWN and 40 <= len(t) <= 1500 and "  " not in t
            and sum(c.isalpha() for c in t) > 0.7 * len(t)]  # fmt: skip
    size = sum(map(len, kept))
    step = max(size / PROSE_BYTES[language], 1)
    return [kept[int(i * step)] for i in range(int(len(kept) / step))]


def clean(text):
    """Bring a text to the characters that are known."""
    text = re.sub(r"[A-Z]<+ ?([^<>]*?) ?>+", r"\1", text)  # the marks of Perl's manuals
    text = text.replace("\u2011", "-").replace("\u2212", "-").replace("``", '"')
    return unicodedata.normalize("NFC", text.replace("''", '"'))


def paragraphs(page):
    """Return the texts of the paragraphs of a page."""
    found = re.findall(
        r'<(?:p|div class="para")[^>]*>(.*?)</(?:p|div)>', page, re.DOTALL | re.IGNORECASE
    )
    return [html.unescape(re.sub(r"<[^>]+>", "", text)) for text in found]


def read(path):
    """Read a text of either encoding."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def main():
    """Write the lists to one file."""
    with (
        atomic_path(sys.argv[1]) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_LZMA) as file,
    ):
        for language in LISTS:
            words, prose = words_of(language), prose_of(language)
            file.writestr(f"{language}.words", "\n".join(f"{w}\t{n}" for w, n in words.items()))
            file.writestr(f"{language}.prose", "\n".join(prose))
            print(
                f"{language}: {len(words)} words, {len(prose)} lines, {sum(map(len, prose))} characters"
            )
    print(f"{sys.argv[1]}: {Path(sys.argv[1]).stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
