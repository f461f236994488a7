"""``pimsim show``: print an architecture file, to copy and edit."""

from typing import Annotated

import typer


def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Architecture, as `pimsim list` names it.")
    ],
) -> None:
    """Print an architecture's YAML file.

    Copy and edit it:  pimsim show rap > my_chip.yaml && pimsim run --arch my_chip.yaml
    """
    from pimsim.config import bundled
    from pimsim.errors import NotFoundError

    try:
        path = bundled.architecture_path(name)
    except NotFoundError as error:
        if name in bundled.known_workloads():
            raise NotFoundError(
                f"{name!r} is a workload, a folder at {bundled.workload_path(name)}; "
                "show prints architectures"
            ) from None
        raise error from None
    from pimsim.config.yaml_loader import read_text

    typer.echo(read_text(path), nl=False)
