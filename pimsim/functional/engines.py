"""Who computes the products: exact integers, or one chip's crossbars.

Which question this module answers: *what comes out of the macros for these operands?*
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

from pimsim import analog, rng
from pimsim.analog import DynamicCrossbars, MvmOutput, ProgrammedCrossbar
from pimsim.analog.pvt import of_chip
from pimsim.config.architecture import Macro, Pvt
from pimsim.errors import ModelRangeError, SimulationError
from pimsim.mapping.mapped import MappedOp, Placement
from pimsim.mapping.widths import macro_in_use
from pimsim.records import MacroCounts

_EXACT_FLOAT: Final = 1 << 53
"""Integers below this are exact in float64, so a floating-point product of them is too."""


@dataclass(frozen=True, slots=True)
class ProductOutput:
    """What the macros made of one product."""

    values: NDArray[np.int64]
    counts: MacroCounts | None
    """``None`` from an engine that has no macros, or does not count."""
    service_cycles: NDArray[np.int32] | None
    """(vectors, row blocks); for dynamic operands vectors run over sample, head, token."""
    vector_reads: NDArray[np.int64] | None = None
    """(vectors): macro reads of each, summed over all blocks."""
    read_cycles: Callable[[], NDArray[np.bool_]] | None = None
    """Which reads took place, (vectors, planes, row groups); computed afresh on request."""


class ProductEngine(Protocol):
    """Computes static and dynamic products."""

    def static(self, mapped: MappedOp, driven: NDArray[Any], first_vector: int) -> ProductOutput:
        """Multiply (vectors, rows) by the operation's weights (rows, cols)."""
        ...

    def dynamic(
        self, mapped: MappedOp, driven: NDArray[Any], stored: NDArray[Any], first_vector: int
    ) -> ProductOutput:
        """Multiply (samples, heads, vectors, rows) by (samples, heads, rows, cols)."""
        ...


@final
@dataclass(frozen=True, slots=True)
class IdealEngine:
    """Exact integer products: the integer graph on a perfect chip."""

    def static(self, mapped: MappedOp, driven: NDArray[Any], first_vector: int) -> ProductOutput:
        """See :class:`ProductEngine`."""
        return ProductOutput(exact_matmul(driven, _weights(mapped)), None, None)

    def dynamic(
        self, mapped: MappedOp, driven: NDArray[Any], stored: NDArray[Any], first_vector: int
    ) -> ProductOutput:
        """See :class:`ProductEngine`."""
        return ProductOutput(exact_matmul(driven, stored), None, None)


@final
@dataclass(frozen=True, slots=True)
class AnalogEngine:
    """One Monte Carlo chip: its cells are drawn once, its read noise is keyed by vector."""

    macros: dict[str, Macro]
    seed: int
    chip: int
    pvt: Pvt | None = None
    """Operating point of the design, from which this chip's own is drawn; ``None``: nominal."""
    counted: bool = True
    """Whether actions are counted; further chips of a study are run for their values alone."""
    _static: dict[str, ProgrammedCrossbar] = field(default_factory=dict)
    _dynamic: dict[str, DynamicCrossbars] = field(default_factory=dict)

    def static(self, mapped: MappedOp, driven: NDArray[Any], first_vector: int) -> ProductOutput:
        """See :class:`ProductEngine`."""
        name, placement = mapped.op.name, _placement(mapped)
        with _naming(name, placement):
            if name not in self._static:
                macro = macro_in_use(self.macros[placement.macro], placement)
                key = self._key(name, "cells")
                weights, pvt = _weights(mapped), self._own_pvt()
                self._static[name] = analog.program(
                    weights, macro, key, pvt=pvt, converters=self._converters(placement)
                )
            operands = self._static[name], driven, self._key(name, "read_noise")
            if not self.counted:
                values = analog.mvm_values(*operands, first_row=first_vector)
                return ProductOutput(values, None, None)
            output = analog.mvm(*operands, first_row=first_vector)
        return _product(output, placement)

    def dynamic(
        self, mapped: MappedOp, driven: NDArray[Any], stored: NDArray[Any], first_vector: int
    ) -> ProductOutput:
        """See :class:`ProductEngine`."""
        name, placement = mapped.op.name, _placement(mapped)
        with _naming(name, placement):
            if name not in self._dynamic:
                self._dynamic[name] = analog.dynamic(
                    macro_in_use(self.macros[placement.macro], placement),
                    instances=placement.instances,
                    rows=placement.rows,
                    cols=placement.cols,
                    key=self._key(name, "cells"),
                    pvt=self._own_pvt(),
                    converters=self._converters(placement),
                )
            operands = self._dynamic[name], stored, driven, self._key(name, "read_noise")
            if not self.counted:
                values = analog.mvm_dynamic_values(*operands, first_row=first_vector)
                return ProductOutput(values, None, None)
            output = analog.mvm_dynamic(*operands, first_row=first_vector, fresh=placement.fresh)
        return _product(output, placement)

    def _own_pvt(self) -> Pvt | None:
        """Operating point of this chip, the same for everything on it."""
        if self.pvt is None:
            return None
        return of_chip(self.pvt, rng.key(self.seed, "chip", self.chip))

    def _converters(self, placement: Placement) -> int | None:
        """Key of converters that other rows of the same macros use, too."""
        shared = placement.shared_macros
        return None if shared is None else self._key(shared, "converters")

    def _key(self, op: str, purpose: str) -> int:
        return rng.key(self.seed, "chip", self.chip, op, purpose)


@contextmanager
def _naming(op: str, placement: Placement) -> Iterator[None]:
    """Put the operation and its kind of macro before what the engine objects to."""
    try:
        yield
    except ModelRangeError as error:
        raise ModelRangeError(f"op {op!r} in macros.{placement.macro}: {error}") from error


def _product(output: MvmOutput, placement: Placement) -> ProductOutput:
    counts = replace(output.counts.macros[0], macro=placement.macro)
    return ProductOutput(
        output.values, counts, output.service_cycles, output.vector_reads, output.read_cycles
    )


def _weights(mapped: MappedOp) -> NDArray[np.int64]:
    weights = mapped.op.weights
    if weights is None:
        raise SimulationError(f"op {mapped.op.name!r} has no weights to multiply with")
    return weights


def _placement(mapped: MappedOp) -> Placement:
    if mapped.placement is None:
        raise SimulationError(f"op {mapped.op.name!r} has no macros")
    return mapped.placement


def exact_matmul(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    """Integer product through the floating-point unit where that is exact, else by integers."""
    bound = int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0)) * a.shape[-1]
    if bound < _EXACT_FLOAT:
        product: NDArray[np.float64] = a.astype(np.float64) @ b.astype(np.float64)
        return product.astype(np.int64)
    integers: NDArray[np.int64] = a.astype(np.int64) @ b.astype(np.int64)
    return integers
