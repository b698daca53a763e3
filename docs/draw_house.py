"""Draw the imports of `mltu` and list its rooms: writes `house.svg` and the tables of `house.md`.

    python docs/draw_house.py

`Tests/test_house.py` holds the floors; everything else is read from the imports as written.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOUSE, PAGE = ROOT / "docs" / "house.svg", ROOT / "docs" / "house.md"
EVERYWHERE = {"_extras", "utils", ""}  # "" is mltu itself; nearly all rooms import them.
TITLES = {
    4: "the command line",
    3: "Keras",
    2: "assembly, without Keras",
    1: "steps, data sets, settings",
    0: "texts and numbers",
}
WIDTH, ROW, BOX, LETTER = 1280, 62, 26, 7.3
LIGHT, HEAVY = "#d5ecd8", "#fbdfc0"


def module_files() -> dict[str, Path]:
    """Return the file of each module, by its name within `mltu`."""
    files = {}
    for file in sorted((ROOT / "mltu").rglob("*.py")):
        parts = file.relative_to(ROOT / "mltu").with_suffix("").parts
        files[".".join(part for part in parts if part != "__init__")] = file
    return files


def floors() -> dict[int, list[str]]:
    """Return the rooms of each floor as the test of the walls has them."""
    tree = ast.parse((ROOT / "Tests" / "test_house.py").read_text(encoding="utf-8"))
    named = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    found = ast.literal_eval(named["FLOORS"])
    return {floor: [name for name in names if "." not in name] for floor, names in found.items()}


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(file: Path, *, at_import: bool = False) -> set[str]:
    """Return what the import statements of a file may name; if `at_import`, what runs at once."""
    names: set[str] = set()
    todo: list[ast.AST] = [parse(file)]
    while todo:
        node = todo.pop()
        if at_import and (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ):
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = file.relative_to(ROOT).parts[: -node.level] if node.level else ()
            base = ".".join([*package, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def room(module: str) -> str:
    return module.partition(".")[0]


def room_imports(*, at_import: bool = False) -> dict[str, set[str]]:
    """Return the other rooms that each room imports, and `keras` where it does."""
    files = module_files()
    found: dict[str, set[str]] = {room(name): set() for name in files}
    for name, file in files.items():
        for other in imported(file, at_import=at_import):
            if room(other) == "keras":
                found[room(name)].add("keras")
            within = other.removeprefix("mltu").removeprefix(".")
            if room(other) == "mltu" and within in files:
                found[room(name)].add(room(within))
    return {name: others - {name} for name, others in found.items()}


def reach(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        new = edges.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def arrows() -> dict[str, set[str]]:
    """Return the imports to draw: without those that another import brings anyway."""
    edges = {
        name: others - EVERYWHERE - {"keras"}
        for name, others in room_imports().items()
        if name not in EVERYWHERE
    }
    return {
        name: {
            other
            for other in others
            if not any(other in reach(third, edges) for third in others - {other})
        }
        for name, others in edges.items()
    }


# The drawing


@dataclass
class Node:
    """A room, or a bend of the arrows to the room `target` where they cross a row."""

    name: str
    row: int
    target: str | None = None
    x: float = 0
    neighbours: list[Node] = field(default_factory=list)

    @property
    def width(self) -> float:
        return 10 if self.target else LETTER * len(self.name) + 16


def rows_of(edges: dict[str, set[str]]) -> list[tuple[int, list[str]]]:
    """Return (floor, rooms) from the top: on a floor, rooms stand above those they import."""
    rows = []
    for floor, names in sorted(floors().items(), reverse=True):
        levels: dict[str, int] = {}

        def level(name: str, names: list[str] = names, levels: dict[str, int] = levels) -> int:
            if name not in levels:
                below = [level(other) for other in edges.get(name, set()) & set(names)]
                levels[name] = max(below, default=-1) + 1
            return levels[name]

        for height in sorted({level(name) for name in names}, reverse=True):
            rows.append((floor, sorted(name for name in names if level(name) == height)))
    return rows


def lay_out(edges: dict[str, set[str]], rows: list[list[str]]) -> tuple[list[list[Node]], dict]:
    """Return the nodes of each row from left to right, and the lines between them."""
    nodes = {name: Node(name, row) for row, names in enumerate(rows) for name in names}
    lines: dict[tuple[str, str], tuple[Node, Node]] = {}
    for name, others in sorted(edges.items()):
        for other in sorted(others):
            here = nodes[name]
            for row in range(here.row + 1, nodes[other].row):
                bend = nodes.setdefault(f"{other}/{row}", Node(f"{other}/{row}", row, other))
                lines[here.name, bend.name] = (here, bend)
                here = bend
            lines[here.name, other] = (here, nodes[other])
    for upper, lower in lines.values():
        upper.neighbours.append(lower)
        lower.neighbours.append(upper)
    grid = [[node for node in nodes.values() if node.row == row] for row in range(len(rows))]
    for row in grid:
        spread(row)
    for sweep in range(60):
        for row in grid if sweep % 2 else reversed(grid):
            row.sort(key=lambda node: (middle(node), node.name))
            spread(row)
    return grid, lines


def middle(node: Node) -> float:
    xs = [other.x for other in node.neighbours]
    return sum(xs) / len(xs) if xs else node.x


def spread(row: list[Node]) -> None:
    """Place the nodes of a row near the middle of their neighbours, without overlap.

    Pushed to the right and pushed to the left both leave the gaps free, so their mean does too.
    """
    gap, left, right = 18, 130, WIDTH - 20
    wanted = [middle(node) for node in row]
    to_right, at = [], float(left)
    for node, x in zip(row, wanted, strict=True):
        at = max(at + node.width / 2, x)
        to_right.append(at)
        at += node.width / 2 + gap
    to_left, at = [], float(right)
    for node, x in reversed(list(zip(row, wanted, strict=True))):
        at = min(at - node.width / 2, x)
        to_left.append(at)
        at -= node.width / 2 + gap
    limit = float(right)
    for node, *both in reversed(list(zip(row, to_right, reversed(to_left), strict=True))):
        node.x = round(min(sum(both) / 2, limit - node.width / 2), 1)
        limit = node.x - node.width / 2 - gap


def draw() -> str:
    """Return the drawing as SVG, equal for equal imports."""
    edges = arrows()
    heavy = room_imports(at_import=True)
    rows = rows_of(edges)
    grid, lines = lay_out(edges, [names for _, names in rows])
    top = 44
    height = top + ROW * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12">',
        "<title>The rooms of mltu and their imports</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<rect x="20" y="12" width="16" height="16" fill="{LIGHT}" stroke="#555"/>',
        '<text x="42" y="25">runs without Keras</text>',
        f'<rect x="210" y="12" width="16" height="16" fill="{HEAVY}" stroke="#555"/>',
        '<text x="232" y="25">imports Keras, itself or through another</text>',
        '<text x="545" y="25">An arrow points at what is imported. Left out: what another arrow '
        "brings, and utils and _extras</text>",
    ]
    for floor in sorted(TITLES, reverse=True):
        own = [index for index, (other, _) in enumerate(rows) if other == floor]
        y = top + ROW * own[0]
        shade = "#f4f6f8" if floor % 2 == 0 else "#fff"
        parts += [
            f'<rect y="{y}" width="{WIDTH}" height="{ROW * len(own)}" fill="{shade}"/>',
            f'<text x="12" y="{y + 20}" font-weight="bold">floor {floor}</text>',
            *(
                f'<text x="12" y="{y + 36 + 14 * i}" font-size="10">{escape(line)}</text>'
                for i, line in enumerate(TITLES[floor].split(", "))
            ),
        ]

    def height_of(node: Node, side: int) -> float:
        return top + ROW * node.row + ROW / 2 + side * (0 if node.target else BOX / 2)

    for upper, lower in lines.values():
        y0, y1 = height_of(upper, 1), height_of(lower, -1)
        bend = round((y0 + y1) / 2, 1)
        parts.append(
            f'<path d="M{upper.x} {y0}C{upper.x} {bend} {lower.x} {bend} {lower.x} {y1}" '
            'fill="none" stroke="#7a8794"/>'
        )
    for node in (node for row in grid for node in row if not node.target):
        y = height_of(node, -1)
        x = round(node.x - node.width / 2, 1)
        if any(lower is node for _, lower in lines.values()):
            parts.append(f'<path d="M{node.x - 4} {y - 7}h8l-4 7z" fill="#7a8794"/>')
        fill = HEAVY if "keras" in reach(node.name, heavy) else LIGHT
        parts += [
            f'<rect x="{x}" y="{y}" width="{round(node.width, 1)}" height="{BOX}" rx="4" '
            f'fill="{fill}" stroke="#555"/>',
            f'<text x="{node.x}" y="{y + 17}" text-anchor="middle">{escape(node.name)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


# The tables


def first_sentence(file: Path) -> str:
    text = " ".join((ast.get_docstring(parse(file)) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[^.]\.)\s", text)[0].replace("|", "\\|")


def tables() -> str:
    """Return a table for each floor: every room, what it is, and its modules."""
    files = module_files()
    lines = []
    for floor, names in sorted(floors().items(), reverse=True):
        lines += ["", f"### Floor {floor}: {TITLES[floor]}", "", "| room | what |", "|---|---|"]
        for name in sorted(names):
            inner = sorted(other.partition(".")[2] for other in files if room(other) == name)
            inside = ", ".join(f"`{other}`" for other in inner if other)
            text = first_sentence(files[name])
            lines.append(f"| `{name}` | {text}{f'<br>Modules: {inside}' if inside else ''} |")
    return "\n".join([*lines[1:], ""])


def with_tables(page: str) -> str:
    """Return the page with its tables made anew."""
    start, end = "<!-- made by docs/draw_house.py -->\n", "<!-- end -->"
    before, found, rest = page.partition(start)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"`{PAGE.name}` must have the lines {start.strip()} and {end}.")
    return f"{before}{start}\n{tables()}\n{end}{after}"


if __name__ == "__main__":
    HOUSE.write_text(draw(), encoding="utf-8", newline="\n")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
