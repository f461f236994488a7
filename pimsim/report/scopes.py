"""Attention alone, and the rest of the network.

Which question this module answers: *what is the share of the part that publications count?*

Chips for attention are published with the projections, the products, the softmax and nothing else;
feed-forward layers, normalizations, embeddings and residual additions are left out. A run costs all
of it; here it is told apart. Leakage and whatever else belongs to no operation stands alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim import units
from pimsim.records import Result
from pimsim.report.markup import Column, Section, paragraph, section, table
from pimsim.report.wording import number, percent


@dataclass(frozen=True, slots=True)
class Scope:
    """One part of the network."""

    name: str
    operations: int
    energy_uj: float
    latency_us: float
    """Exclusive time on the critical path."""


def scopes(result: Result) -> tuple[Scope, ...]:
    """Attention layers, all other operations, and what no operation spends.

    Energies add up to the run's under its default cost variant, latencies to its latency. Empty
    where the workload has no attention layer, or the result was written without this.
    """
    attention = set(result.attention_ops)
    if not attention:
        return ()
    energy_pj = {"attention": 0.0, "rest": 0.0, "none": 0.0}
    titles = dict(_TITLES)
    for item in result.costs[0].items:
        energy_pj[_scope_of(item.op, attention)] += item.energy_pj
        if item.op is None and item.energy_pj and item.component.split(".")[0] != "leakage":
            titles["none"] = "no operation"
    latency_ps = {"attention": 0, "rest": 0}
    for key, time_ps in result.timeline.critical_path_ps.items():
        latency_ps[_scope_of(key.rsplit("|", 1)[0], attention)] += time_ps
    operations = {"attention": len(attention), "rest": len(result.timeline.ops) - len(attention)}
    return tuple(
        Scope(
            title, operations.get(name, 0), units.uj_from_pj(energy_pj[name]),
            units.us_from_ps(latency_ps.get(name, 0)),
        )
        for name, title in titles.items()
        if energy_pj[name] or name != "none"
    )  # fmt: skip


_TITLES: Mapping[str, str] = {
    "attention": "attention layers only",
    "rest": "all other operations",
    "none": "no operation (leakage)",
}


def _scope_of(op: str | None, attention: set[str]) -> str:
    if op is None:
        return "none"
    return "attention" if op in attention else "rest"


def page_section(result: Result) -> Section | None:
    """The section of a report; none without an attention layer."""
    found = scopes(result)
    if not found:
        return None
    rows = [
        (
            scope.name,
            str(scope.operations) if scope.operations else "",
            number(scope.energy_uj),
            percent(scope.energy_uj / result.energy_uj),
            number(scope.latency_us) if scope.operations else "",
            percent(scope.latency_us / result.latency_us) if scope.operations else "",
        )
        for scope in found
    ]
    columns = [
        Column("Part"), Column("Operations", number=True), Column("Energy [µJ]", number=True),
        Column("of all", number=True), Column("Latency [µs]", number=True),
        Column("of all", number=True),
    ]  # fmt: skip
    return section(
        "scopes",
        "Attention only, and the full network",
        paragraph(
            "Hardware for attention is published with its projections, products and softmax alone. "
            "Latencies are exclusive shares of the critical path."
        ),
        table(columns, rows),
        short="Attention only",
    )
