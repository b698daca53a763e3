"""What mkdocs adds to `docs`: READMEs of the repository as pages, and the API of each package.

A text lives once: a page of the site has the links that it has in the repository, and
`on_page_markdown` turns them to where the site has their targets.
"""

import logging
import posixpath
import re
import sys
from pathlib import Path

import click
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(1, str(ROOT))  # mkdocs removes the first entry again.

from mltu.cli.main import commands  # noqa: E402

logger = logging.getLogger("mkdocs.hooks.mltu")
TUTORIALS = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob("Tutorials/[0-9]*/README.md")
)
FROM_REPOSITORY = [
    "README.md",
    "CHANGELOG.md",
    "Tutorials/README.md",
    *TUTORIALS,
    "benchmarks/README.md",
    "mltu/inference/weights/README.md",
    "mltu/synthetic/data/README.md",
]
# The API by what people do; a page shows what its module offers.
API = {
    "Read images": ["inferenceModel", "inference", "decoders"],
    "Open and check data": ["datasets", "data_check", "synthetic"],
    "Make batches": ["dataProvider", "preprocessors", "transformers", "augmentors", "audio"],
    "Build a network": ["models", "model_utils", "losses", "metrics"],
    "Train": ["training", "callbacks", "resume", "configs"],
    "Export": ["onnx_export"],
    "Measure and look": ["evaluation", "plots", "utils.text_utils"],
}
ROOMS = [name for names in API.values() for name in names]
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def on_config(config):
    """Fill in the parts of the navigation that follow the repository, and watch their files."""
    parts = {
        "TUTORIALS": ["Tutorials/README.md", *TUTORIALS],
        "API": [
            {"Command line": "api/cli.md"},
            *({title: [f"api/{name}.md" for name in names]} for title, names in API.items()),
        ],
    }
    for entry in config.nav:
        for title, value in entry.items():
            if isinstance(value, list) and isinstance(value[0], str):
                entry[title] = parts[value[0]]
    config.watch += [str(ROOT / name) for name in ("README.md", "Tutorials", "benchmarks", "mltu")]
    return config


def on_files(files, config):
    """Add the pages that do not lie in `docs`, and all that a page links to."""
    for name in FROM_REPOSITORY:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    for name in ROOMS:
        files.append(File.generated(config, f"api/{name}.md", content=api_page(name)))
    files.append(File.generated(config, "api/cli.md", content=command_page()))
    for file in files.documentation_pages():
        for target in targets_of(file.content_string, file.src_uri):
            place = place_of(target)
            if (ROOT / target).is_file() and not files.get_file_from_path(place):
                source = str(ROOT / target)
                files.append(File.generated(config, place, abs_src_path=source))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links between files of the repository into links between files of the site."""
    source = page.file.src_uri
    if source == "README.md":
        page.meta["hide"] = ["navigation"]  # Of this one page.

    def turn(found):
        target, anchor = repository_path(source, found[1]), found[2] or ""
        if (ROOT / target / "README.md").is_file():
            target += "/README.md"
        place = place_of(target)
        if files.get_file_from_path(place):
            place = posixpath.relpath(place, posixpath.dirname(source) or ".")
            return f"]({place}{anchor})"
        logger.warning("%s links to %s, which is no file of the site.", source, target)
        return found[0]

    return "".join(
        part if FENCE.fullmatch(part) else LINK.sub(turn, part) for part in parts_of(markdown)
    )


def parts_of(markdown):
    """Split a page into code blocks and what stands between them."""
    at = 0
    for fence in FENCE.finditer(markdown):
        yield markdown[at : fence.start()]
        yield fence[0]
        at = fence.end()
    yield markdown[at:]


def repository_path(source, link):
    """Return where a link of the page `source` leads, as a path within the repository."""
    folder = posixpath.dirname(source if source in FROM_REPOSITORY else f"docs/{source}")
    return posixpath.normpath(posixpath.join(folder, link))


def targets_of(markdown, source):
    """Yield what a page links to, as paths within the repository."""
    for link, _ in LINK.findall(FENCE.sub("", markdown)):
        yield repository_path(source, link)


def place_of(path):
    """Return where the site has a file of the repository."""
    return path.removeprefix("docs/")


def api_page(name):
    """Return the page of a package or module."""
    return f"# mltu.{name}\n\n::: mltu.{name}\n    options: {{show_root_heading: false}}\n"


def command_page():
    """Return the page of the command line: the help of every command."""
    lines = ["# mltu, the command", ""]

    def add(command, context):
        path = context.command_path
        lines.extend([f"## {path}", "", "```text", command.get_help(context), "```", ""])
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                add(inner, click.Context(inner, context, name, terminal_width=90))

    add(commands, click.Context(commands, info_name="mltu", terminal_width=90))
    return "\n".join(lines)
