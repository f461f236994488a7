"""``pimsim check``: is this file or folder one that a run would accept?"""

from pathlib import Path
from typing import Annotated

import typer

from pimsim.errors import PimsimError


def check(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Architecture files, workload folders, or names."),
    ],
) -> None:
    """Check architecture files and workload folders.

    Prints every problem, and exits with 1 if there is any.
    """
    wrong = 0
    for file in files:
        try:
            what = _check_one(file)
        except PimsimError as error:
            wrong += 1
            typer.echo(str(error))
        else:
            typer.echo(f"{file}: ok, {what}")
    if wrong:
        typer.echo(f"error: {wrong} of {len(files)} checked have problems", err=True)
        raise typer.Exit(1)


def _check_one(file: str) -> str:
    from pimsim.config.bundled import known_architectures, known_workloads
    from pimsim.errors import NotFoundError, nearest
    from pimsim.workload.files import load

    path = Path(file)
    architectures, workloads = known_architectures(), known_workloads()
    if (path / "graph.json").is_file() or (path.is_dir() and file not in architectures):
        return f"workload {load(path, values=True).name}"
    if path.exists() or file in architectures:
        return f"architecture {_checked_architecture(file)}"
    if file in workloads:
        return f"workload {load(workloads[file], values=True).name}"
    raise NotFoundError(
        f"{file}: no such file, folder or name{nearest(file, [*architectures, *workloads])}"
    )


def _checked_architecture(file: str) -> str:
    """Name of an architecture whose scheme fits its units, and its parts their cost models."""
    from pimsim.config import load_architecture
    from pimsim.cost import chip_cost
    from pimsim.errors import ModelRangeError, QuantizationError
    from pimsim.quantization import check_scheme

    architecture = load_architecture(file)
    try:
        check_scheme(architecture)
    except QuantizationError as error:
        raise QuantizationError(f"{file}: {error}") from None
    for variant in architecture.cost.variants:
        try:
            chip_cost(architecture, variant)
        except ModelRangeError as error:
            raise ModelRangeError(f"{file}: {error}") from None
    return architecture.name
