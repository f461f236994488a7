"""Lines of a roll-up as they are booked.

Which question this module answers: *what was spent, on what, and which constants does it rest on?*
"""

from dataclasses import dataclass, field

from pimsim.cost.prices import Price
from pimsim.cost.sourced import Sourced
from pimsim.records import CostItem, Source


@dataclass(slots=True)
class Ledger:
    """Lines in order, and every source behind them once."""

    items: list[CostItem] = field(default_factory=list)
    sources: dict[Source, None] = field(default_factory=dict)

    def spend(self, price: Price, op: str | None, actions: float) -> Price:
        """Book so many actions and return them as one; none at all leaves no line."""
        return self.book(price._replace(energy_pj=price.energy_pj * actions), op, actions)

    def book(self, spent: Price, op: str | None, actions: float) -> Price:
        """Book the energy of so many actions together, and return it."""
        if actions:
            energy_pj = spent.energy_pj
            item = CostItem(
                component=spent.component,
                op=op,
                energy_pj=energy_pj.value,
                area_um2=0.0,
                model=spent.model,
                kind=energy_pj.kind,
                action=spent.action,
                actions=actions,
            )
            self._add(item, energy_pj)
        return spent

    def occupy(self, component: str, area_um2: Sourced, *, model: str) -> None:
        """Book area."""
        self._add(CostItem(component, None, 0.0, area_um2.value, model, area_um2.kind), area_um2)

    def _add(self, item: CostItem, known: Sourced) -> None:
        self.sources.update(dict.fromkeys(known.sources))
        self.items.append(item)
