"""``pimsim list``: what goes by a name here - architectures, workloads, sweeps and models."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from pimsim.cli.options import Format, OutputFormat
from pimsim.errors import PimsimError


@dataclass(frozen=True, slots=True)
class _Architecture:
    name: str
    description: str
    notes: tuple[str, ...]
    path: str
    valid: bool

    @property
    def line(self) -> str:
        if not self.valid:
            return f"(has problems: pimsim check {self.path})"
        return self.description


@dataclass(frozen=True, slots=True)
class _Workload:
    name: str
    task: str | None
    parameters: int | None
    shape_only: bool
    path: str
    valid: bool

    @property
    def line(self) -> str:
        if not self.valid:
            return f"(has problems: pimsim check {self.path})"
        weights = ", shape-only" if self.shape_only else ""
        return f"{self.task or 'no task'}, {self.parameters:,} parameters{weights}"


@dataclass(frozen=True, slots=True)
class _Sweep:
    name: str
    description: str
    path: str
    valid: bool

    @property
    def line(self) -> str:
        return self.description if self.valid else f"(has problems: pimsim sweep {self.path})"


@dataclass(frozen=True, slots=True)
class _Model:
    kind: str
    name: str
    summary: str

    @property
    def line(self) -> str:
        return self.summary


def list_known(output_format: Format = OutputFormat.TABLE) -> None:
    """List architectures, workloads, sweeps and models.

    One line each. What is in $PIMSIM_PATH and $PIMSIM_CACHE is included.
    """
    from pimsim.config import bundled
    from pimsim.registry import REGISTRIES

    architectures = [_architecture(*known) for known in bundled.known_architectures().items()]
    workloads = [_workload(*known) for known in bundled.known_workloads().items()]
    sweeps = [_sweep(*known) for known in bundled.known_sweeps().items()]
    models = [
        _Model(registry.kind, name, registry.summary(name))
        for registry in REGISTRIES
        for name in registry
    ]
    if output_format is OutputFormat.JSON:
        document = {
            "architectures": [asdict(row) for row in architectures],
            "workloads": [asdict(row) for row in workloads],
            "sweeps": [asdict(row) for row in sweeps],
            "models": [asdict(row) for row in models],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    _print("architectures (pimsim run --arch NAME)", architectures)
    _print("workloads (pimsim run --workload NAME)", workloads)
    _print("sweeps (pimsim sweep NAME)", sweeps)
    for kind in dict.fromkeys(model.kind for model in models):
        _print(f"{kind}s", [model for model in models if model.kind == kind])


def _print(title: str, rows: Sequence[_Architecture | _Workload | _Sweep | _Model]) -> None:
    if not rows:
        return
    width = max(len(row.name) for row in rows)
    typer.echo(title)
    for row in rows:
        typer.echo(f"  {row.name:{width}}  {row.line}".rstrip())


def _architecture(name: str, path: Path) -> _Architecture:
    from pimsim.config import load_architecture

    try:
        found = load_architecture(path)
    except PimsimError:
        return _Architecture(name, "", (), str(path), valid=False)
    return _Architecture(name, found.description, found.notes, str(path), valid=True)


def _workload(name: str, folder: Path) -> _Workload:
    """Read the graph alone: weights may be large."""
    from pimsim.workload import schema
    from pimsim.workload.summary import parameters

    file = folder / "graph.json"
    try:
        with file.open("rb") as stream:
            graph = schema.parse(stream.read(schema.MAX_GRAPH_BYTES), str(file))
    except (PimsimError, OSError):
        return _Workload(name, None, None, shape_only=True, path=str(folder), valid=False)
    shape_only = not (folder / "weights.safetensors").is_file()
    return _Workload(name, graph.task, parameters(graph), shape_only, str(folder), valid=True)


def _sweep(name: str, path: Path) -> _Sweep:
    """Read the text alone: whether its axes fit the architecture is seen when it is run."""
    from pimsim.config import yaml_loader

    try:
        document = yaml_loader.read(path)
    except PimsimError:
        return _Sweep(name, "", str(path), valid=False)
    description = str(document.data.get("description", ""))
    return _Sweep(name, description, str(path), valid=not document.problems)
