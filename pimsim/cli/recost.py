"""``pimsim recost``: what a stored run would have cost under other cost models."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pimsim.cli.options import Format, OutputFormat, SetOption, VariantOption

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from pimsim.config.architecture import Architecture
    from pimsim.records import Result

_HEADLINES: Final = (
    ("energy", "energy_uj", "µJ"),
    ("average power", "power_mw", "mW"),
    ("area", "area_mm2", "mm²"),
    ("efficiency", "tops_per_w", "TOPS/W"),
    ("density", "tops_per_mm2", "TOPS/mm²"),
)


def recost(
    *,
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Result folder that `pimsim run` wrote.")
    ],
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Architecture with other costs: a name or a YAML file.",
            show_default="the result's own",
        ),
    ] = None,
    set_: SetOption = None,
    variant: VariantOption = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the new result here.", show_default="nowhere"),
    ] = None,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Cost a stored result again, without simulating.

    Prints energy and area of each component before and after. A change that a service time or a
    count depends on is refused: it needs a new run.
    """
    from pimsim import report
    from pimsim.errors import OutputError
    from pimsim.recost import recost as cost_again

    if output is not None:
        if output.resolve() == result.resolve():
            raise OutputError(
                f"cannot write to {output}: it is the result that is costed again; name another "
                "folder with --output"
            )
        report.check_output(output)
    before = report.load_result(result)
    chip = _architecture(before, arch, tuple(set_ or ()))
    after = cost_again(before, chip, variant)
    if output is not None:
        report.write(after, output)
    if output_format is OutputFormat.JSON:
        typer.echo(report.to_json(after), nl=False)
        return
    from pimsim.cli import tables

    tables.print_parts(lambda width: _parts(before, after, output))


def _architecture(result: "Result", arch: str | None, overrides: tuple[str, ...]) -> "Architecture":
    """The architecture asked for; the result's own, changed, if none is named."""
    from pimsim.config import load_architecture
    from pimsim.config.load import changed
    from pimsim.recost import stored_architecture

    if arch is not None:
        return load_architecture(arch, overrides=overrides)
    return changed(stored_architecture(result), overrides)


def _parts(before: "Result", after: "Result", folder: Path | None) -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables

    head = Text(
        f"{after.workload['name']} on {after.architecture_name}, costed again: variant "
        f"{before.costs[0].variant} before, {after.costs[0].variant} after",
        style="bold",
    )
    headlines = tables.plain_table("one inference", "before", "after", "×")
    for what, key, unit in _HEADLINES:
        old, new = getattr(before, key), getattr(after, key)
        headlines.add_row(
            what, tables.quantity(old, unit), tables.quantity(new, unit), _times(old, new)
        )
    energy = _table("energy", before.energy_breakdown_uj, after.energy_breakdown_uj, "µJ")
    area = _table("area", before.area_breakdown_mm2, after.area_breakdown_mm2, "mm²")
    parts: list[RenderableType] = [head, Text(), headlines, Text(), energy, Text(), area]
    if folder is not None:
        parts += [Text(), Text(f"Files: {folder}", overflow="fold")]
    return parts


def _table(
    what: str, before: Mapping[str, float], after: Mapping[str, float], unit: str
) -> "Table":
    """Every component of either costing, the largest after it first."""
    from pimsim.cli import tables

    table = tables.plain_table(what, f"{unit} before", f"{unit} after", "×")
    names = sorted(
        {*before, *after}, key=lambda name: (-after.get(name, 0.0), -before.get(name, 0.0), name)
    )
    for name in names:
        old, new = before.get(name, 0.0), after.get(name, 0.0)
        table.add_row(name, tables.quantity(old), tables.quantity(new), _times(old, new))
    return table


def _times(old: float, new: float) -> str:
    return f"{new / old:.4g}" if old else ""
