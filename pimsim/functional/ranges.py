"""Converter ranges from calibration samples.

Which question this module answers: *which column sums do this network's operands make, and which
range should the converters of each kind of macro have?*

The calibration samples run through the integer graph with exact products, and every conversion that
a macro would make is counted by its ideal input. One range per kind of macro is then chosen by
:func:`pimsim.analog.ranges.calibrate_range` and frozen in the architecture, so that it is stored
with what is made of it. Cells, converters and operating point are ideal and nominal meanwhile.

Not modelled: a range of its own for each layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.ranges import calibrate_range, sum_histogram
from pimsim.config.architecture import Architecture, Macro
from pimsim.errors import SimulationError
from pimsim.functional.engines import IdealEngine, ProductOutput
from pimsim.functional.executor import execute
from pimsim.mapping.mapped import MappedOp, MappedWorkload
from pimsim.mapping.widths import macro_in_use

RANGE_SAMPLES: Final = 8
"""Calibration samples that are run, rounded up to whole batches: millions of conversions."""


def uncalibrated(mapped: MappedWorkload) -> tuple[str, ...]:
    """Kinds of macros in use whose range is to be calibrated and has not been."""
    used = {op.placement.macro for op in mapped.ops if op.placement is not None}
    return tuple(
        name
        for name, macro in mapped.architecture.macros.items()
        if name in used and macro.adc.range == "calibrated" and macro.adc.calibrated is None
    )


def freeze_ranges(
    mapped: MappedWorkload, calibration: Mapping[str, NDArray[Any]]
) -> MappedWorkload:
    """Find the missing ranges and freeze them.

    Parameters
    ----------
    mapped
        A mapped workload with weights.
    calibration
        Input → calibration samples, first axis = sample; the first few are run.

    Returns
    -------
    MappedWorkload
        On an architecture whose ``adc.calibrated`` are filled in, and whose notes tell what each
        range clips and how coarse it is; ``mapped`` itself if none was missing.

    Raises
    ------
    SimulationError
        If the workload is shape-only, or has no batch of calibration samples.
    """
    missing = uncalibrated(mapped)
    if not missing:
        return mapped
    batch = mapped.dims["batch"]
    available = min((len(values) for values in calibration.values()), default=0)
    count = min(-(-RANGE_SAMPLES // batch), available // batch) * batch
    if not count:
        raise SimulationError(
            f"macros.{missing[0]}.adc.range is 'calibrated', but there are {available} calibration "
            f"samples for batches of {batch}; choose range 'full' or give adc.calibrated"
        )
    engine = _CountingEngine({name: mapped.architecture.macros[name] for name in missing})
    execute(mapped, {name: values[:count] for name, values in calibration.items()}, engine)
    return replace(mapped, architecture=_frozen(mapped.architecture, engine))


@final
@dataclass(frozen=True, slots=True)
class _CountingEngine:
    """Exact products, whose conversions are counted by their ideal input."""

    macros: Mapping[str, Macro]
    histograms: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def static(self, mapped: MappedOp, driven: NDArray[Any], first_vector: int) -> ProductOutput:
        """See :class:`pimsim.functional.engines.ProductEngine`."""
        if mapped.op.weights is not None:
            self._count(mapped, mapped.op.weights, driven)
        return IdealEngine().static(mapped, driven, first_vector)

    def dynamic(
        self, mapped: MappedOp, driven: NDArray[Any], stored: NDArray[Any], first_vector: int
    ) -> ProductOutput:
        """See :class:`pimsim.functional.engines.ProductEngine`."""
        for sample in range(len(stored)):
            for instance in range(stored.shape[1]):
                self._count(mapped, stored[sample, instance], driven[sample, instance])
        return IdealEngine().dynamic(mapped, driven, stored, first_vector)

    def _count(self, mapped: MappedOp, stored: NDArray[Any], driven: NDArray[Any]) -> None:
        name = "" if mapped.placement is None else mapped.placement.macro
        if mapped.placement is not None and name in self.macros:
            macro = macro_in_use(self.macros[name], mapped.placement)
            found = sum_histogram(stored, driven, macro)
            self.histograms[name] = self.histograms.get(name, np.zeros_like(found)) + found


def _frozen(architecture: Architecture, engine: _CountingEngine) -> Architecture:
    macros, notes = dict(architecture.macros), list(architecture.notes)
    for name, histogram in engine.histograms.items():
        macro = macros[name]
        found, report = calibrate_range(histogram, macro)
        adc = macro.adc.model_copy(update={"calibrated": found})
        macros[name] = macro.model_copy(update={"adc": adc})
        notes.append(f"macros.{name}.adc range calibrated: {report}")
    return architecture.model_copy(update={"macros": macros, "notes": tuple(notes)})
