"""``pimsim explain``: why a component costs what it costs, from formula to source."""

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pimsim.cli.options import SetOption, VariantOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pimsim.cost.derivation import Input, Step
    from pimsim.cost.explain import Component, Quantity
    from pimsim.records import Source

WIDTH: Final = 100
_NO_MODEL: Final = "architecture file"


class TextFormat(StrEnum):
    """How explanations are printed."""

    TEXT = "text"
    JSON = "json"


def explain(
    *,
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help="Architecture: a name or a YAML file.")
    ],
    component: Annotated[
        str | None,
        typer.Argument(
            metavar="COMPONENT",
            help="Component or the first parts of its name, e.g. mram.adc or mram.",
            show_default="a table of all",
        ),
    ] = None,
    set_: SetOption = None,
    variant: VariantOption = None,
    action: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this action, time or 'area', or those that begin so.",
            show_default="all",
        ),
    ] = None,
    output_format: Annotated[
        TextFormat, typer.Option("--format", help="Text to read, or JSON to process.")
    ] = TextFormat.TEXT,
) -> None:
    """Explain why a component costs what it costs.

    Prints the formula of every energy, area and service time, in names and in numbers, with
    intermediate values, inputs, and the source and kind of each. Without COMPONENT, lists all.
    """
    from pimsim.config import load_architecture
    from pimsim.cost import explain as model

    chip = load_architecture(arch, overrides=tuple(set_ or ()))
    found = model.components(chip, variant)
    if component is not None:
        found = model.matching(found, component)
    if action is not None:
        found = model.with_action(found, action)
    if output_format is TextFormat.JSON:
        document = {
            "architecture": chip.name,
            "cost_variant": variant or chip.cost.default,
            "components": model.to_document(found),
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return
    if component is not None or action is not None:
        typer.echo("\n".join(line for one in found for line in _component(one)))
        return
    from pimsim.cli import tables

    title = f"{chip.name}, cost variant {variant or chip.cost.default}, {chip.node_nm:g} nm"
    tables.print_parts(lambda width: _overview(title, found))


def _overview(title: str, found: "Sequence[Component]") -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables

    table = tables.plain_table("component", "quantity", "value", "kind", "model")
    for column in (1, 3, 4):
        table.columns[column].justify = "left"
    for one in found:
        for index, each in enumerate(one.quantities):
            table.add_row(
                "" if index else one.name,
                each.name,
                _written(each),
                each.kind or "setting",
                each.model or _NO_MODEL,
            )
    rest = Text(
        "Energies are per action, areas those of all instances on the chip. A nanosecond of "
        "leakage stands for one macro, tile or router that is switched on. A row is that of the "
        "unit as it is built; an operation pays for its own widths and duty.\n"
        "Formula, inputs and sources: pimsim explain ARCH COMPONENT"
    )
    return [Text(title, style="bold"), Text(), table, Text(), rest]


def _written(each: "Quantity") -> str:
    from pimsim.cost.derivation import quantity
    from pimsim.units import mm2_from_um2

    if each.unit == "um2":
        return quantity(mm2_from_um2(each.number.value), "mm2")
    return quantity(each.number.value, each.unit)


def _component(one: "Component") -> Iterator[str]:
    for each in one.quantities:
        kind = each.kind or "setting"
        yield f"{one.name}: {each.name} = {_written(each)} ({kind}, {each.model or _NO_MODEL})"
        if each.note:
            yield from _wrapped(each.note, indent=2)
        found = each.derivation
        for step in found.steps:
            yield from _step(step)
        if found.inputs:
            yield "  inputs"
        told: set[str] = set()
        for leaf in found.inputs:
            yield from _input(leaf, told)
        yield ""


def _step(step: "Step") -> Iterator[str]:
    from pimsim.cost.derivation import quantity

    yield f"  {step.name}"
    value = quantity(step.value, step.unit)
    for text in dict.fromkeys((step.formula, step.numbers, value)):
        if text:
            yield from _wrapped(f"= {text}", indent=4)
    if step.note:
        yield from _wrapped(step.note, indent=4)


def _input(leaf: "Input", told: set[str]) -> Iterator[str]:
    """Lines of one input; what has been told of a source before is not told again."""
    from pimsim.cost.derivation import quantity

    where = {"setting": "architecture file", "exact": "exact"}.get(leaf.kind, leaf.kind)
    in_library = f", {leaf.place}" if leaf.place else ""
    texts = [_source(source) for source in leaf.sources]
    again = ", source as above" if texts and told.issuperset(texts) else ""
    yield f"    {leaf.name} = {quantity(leaf.value, leaf.unit)} ({where}{in_library}{again})"
    for text in texts:
        if text not in told:
            yield from _wrapped(text, indent=6)
    told.update(texts)


def _source(source: "Source") -> str:
    condition = f"; {source.condition}" if source.condition else ""
    return f"{source.reference}, {source.place}{condition}"


def _wrapped(text: str, *, indent: int) -> list[str]:
    """Break a long line between words, what follows set in further."""
    wrapper = TextWrapper(
        width=WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapper.wrap(text)
