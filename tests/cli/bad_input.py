"""Ways to spoil what a user hands to the command line, and to compare what comes back."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from pimsim.config import architecture_path, workload_path

Make = Callable[[Path], object]
Document = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

WEIGHTS, SAMPLES = "weights.safetensors", "samples.safetensors"


@dataclass(frozen=True, slots=True)
class Case:
    """One mistake."""

    name: str
    command: str
    message: str
    """All of stderr, the last line break apart."""
    make: Make = field(default=lambda place: None)
    status: int = 1
    output: str = ""
    """All of stdout."""
    environment: Mapping[str, str] = field(default_factory=dict)


def workload(place: Path) -> Path:
    """Copy the demo workload to ``mine``."""
    folder = place / "mine"
    folder.mkdir()
    for name in ("graph.json", WEIGHTS, SAMPLES):
        shutil.copy(workload_path("vit_digits") / name, folder / name)
    return folder


def cut(file: str, bytes_left: int) -> Make:
    """End a file of the workload early; a negative number counts from its end."""

    def make(place: Path) -> None:
        path = workload(place) / file
        path.write_bytes(path.read_bytes()[:bytes_left])

    return make


def graph(change: Callable[[Document], object]) -> Make:
    def make(place: Path) -> None:
        path = workload(place) / "graph.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(json.dumps(document), encoding="utf-8")

    return make


def graph_text(text: str) -> Make:
    return lambda place: (workload(place) / "graph.json").write_text(text, encoding="utf-8")


def arrays(file: str, change: Callable[[Arrays], object]) -> Make:
    def make(place: Path) -> None:
        path = workload(place) / file
        found = {name: array.copy() for name, array in load_file(path).items()}
        change(found)
        save_file(found, path)

    return make


def linked_out(place: Path) -> None:
    """Let the weights be a link to a file beside the workload."""
    (workload(place) / WEIGHTS).rename(place / "elsewhere.safetensors")
    (place / "mine" / WEIGHTS).symlink_to(place / "elsewhere.safetensors")


def chip(*changes: tuple[str, str]) -> Make:
    """Write rap.yaml, changed, as ``chip.yaml``."""

    def make(place: Path) -> None:
        text = (
            architecture_path("rap_int8")
            .read_text(encoding="utf-8")
            .replace("name: rap_int8\n", "name: rap\n")
        )
        for old, new in changes:
            assert old in text, f"rap.yaml has no {old!r}; the test is out of date"
            text = text.replace(old, new, 1)
        (place / "chip.yaml").write_text(text, encoding="utf-8")

    return make


def file(name: str, text: str = "mine") -> Make:
    return lambda place: (place / name).write_text(text, encoding="utf-8")


def folder(name: str, *files: str) -> Make:
    def make(place: Path) -> None:
        (place / name).mkdir()
        for inner in files:
            (place / name / inner).write_text("years of work", encoding="utf-8")

    return make


def matches(actual: str, expected: str, place: Path) -> bool:
    """Compare the whole of a text with what is expected of it.

    In ``expected``

    - ``<tmp>`` stands for the folder of the test,
    - ``<line of TEXT>`` for the number of the line of ``chip.yaml`` that begins with TEXT,
    - ``…`` for words that are not ours (typer's, the safetensors library's, Python's) or that
      depend on the machine.
    """
    for name in {str(place), str(place.resolve())}:
        actual = actual.replace(name, "<tmp>")
    lines = []
    if (place / "chip.yaml").is_file():
        lines = (place / "chip.yaml").read_text(encoding="utf-8").splitlines()

    def number(match: re.Match[str]) -> str:
        return str(
            1 + next(n for n, line in enumerate(lines) if line.lstrip().startswith(match[1]))
        )

    expected = re.sub("<line of (.*?)>", number, expected)
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, actual) is not None
