"""The numbers that papers publish of chips, taken from pimsim's description of one.

Which question this module answers: *what would this chip's authors have printed, had they known
only what the description says?*

All of them come from :func:`pimsim.cost.describe.describe` and the rows of the chip's component
table; nothing is computed from a published result. One MAC is two operations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pimsim.config.architecture import Architecture
from pimsim.cost.describe import Description, MacroDescription
from pimsim.errors import InputError, nearest
from pimsim.units import OPS_PER_MAC

_MW_PER_W: Final = 1e3
_GOPS_PER_TOPS: Final = 1e3
_FJ_PER_PJ: Final = 1e3


@dataclass(frozen=True, slots=True)
class Subject:
    """A described chip and the part of it that a number is about."""

    architecture: Architecture
    description: Description
    components: tuple[str, ...] = ()
    """Rows of the component table; none: all."""
    of: Literal["chip", "tile", "macro"] = "chip"
    macro: str | None = None
    """Macro kind of ``of="macro"``; absent: the one that holds static weights."""

    @property
    def cell(self) -> MacroDescription:
        """The macro that the number is about."""
        macros = self.description.macros
        name = self.macro or self.description.main
        if name not in macros:
            raise InputError(f"chip {self.architecture.name!r} has no macro {name!r}")
        return macros[name]

    def area_mm2(self) -> float:
        """Area of the chosen components."""
        return self._chosen(self.description.area_breakdown_mm2)

    def power_mw(self) -> float:
        """Power of the chosen components with everything at work."""
        return self._chosen(self.description.power_breakdown_mw)

    def tops(self) -> float:
        """Peak of the chosen part."""
        if self.of == "macro":
            return self.cell.tops
        share = 1 if self.of == "chip" else self.architecture.chip.tiles
        return self.description.tops / share

    def bit_products(self) -> int:
        """Products of one bit and one bit in a MAC of the macro's operands, as cells do them."""
        macro = self.architecture.macros[self.cell.macro]
        return macro.planes * macro.slices

    def mvm_energy_pj(self) -> float:
        """Energy of one full MVM on the chosen components of a macro."""
        return self._wanted(self.cell.energy_breakdown_pj)

    def _chosen(self, parts: Mapping[str, float]) -> float:
        if self.of == "macro":
            own = {key: part for key, part in parts.items() if _group(key) == self.cell.macro}
            return self._wanted(own) / self.cell.instances
        if self.of == "tile":
            own = {key: part for key, part in parts.items() if _group(key) != "chip"}
            return self._wanted(own) / self.architecture.chip.tiles
        return self._wanted(parts)

    def _wanted(self, parts: Mapping[str, float]) -> float:
        names = {key.split(".", maxsplit=1)[-1]: part for key, part in parts.items()}
        for name in self.components:
            if name not in names:
                raise InputError(
                    f"chip {self.architecture.name!r} has no component {name!r} with such a "
                    f"number{nearest(name, names)}"
                )
        return sum(names[name] for name in self.components or names)


def _group(component: str) -> str:
    return component.split(".", maxsplit=1)[0]


METRICS: Final[Mapping[str, Callable[[Subject], float]]] = MappingProxyType(
    {
        "area_mm2": lambda it: it.area_mm2(),
        "power_mw": lambda it: it.power_mw(),
        "power_w": lambda it: it.power_mw() / _MW_PER_W,
        "peak_tops": lambda it: it.tops(),
        "one_bit_tops": lambda it: it.bit_products() * it.tops(),
        "one_bit_tops_per_w": lambda it: it.bit_products() * it.tops() / it.power_mw() * _MW_PER_W,
        "one_bit_tops_per_mm2": lambda it: it.bit_products() * it.tops() / it.area_mm2(),
        "tops_per_w": lambda it: it.tops() / it.power_mw() * _MW_PER_W,
        "gops_per_w": lambda it: _GOPS_PER_TOPS * it.tops() / it.power_mw() * _MW_PER_W,
        "tops_per_mm2": lambda it: it.tops() / it.area_mm2(),
        "gops_per_mm2": lambda it: _GOPS_PER_TOPS * it.tops() / it.area_mm2(),
        "conversions_per_mac": lambda it: it.cell.conversions_per_mac,
        "energy_per_conversion_pj": lambda it: it.mvm_energy_pj() / it.cell.conversions,
        "energy_per_op_fj": lambda it: (
            _FJ_PER_PJ * it.mvm_energy_pj() / (OPS_PER_MAC * it.cell.macs)
        ),
        "mvm_energy_pj": lambda it: it.mvm_energy_pj(),
        "mvm_latency_ns": lambda it: it.cell.latency_ns,
        "mvm_period_ns": lambda it: it.cell.period_ns,
    }
)
"""Every metric by name; the name ends in its unit. ``one_bit_*`` count every product of an input
bit and a cell as one MAC, as papers on bit-serial macros do."""
