"""How long each action occupies its resource.

Which question this module answers: *how many picoseconds does one read, one row write, one clock
cycle or one router hop take?*

Times come from the architecture file, so they are as good as its author's knowledge; pimsim cannot
tell a measured time from a guessed one there and marks them all ``assumed``. (The 10 ns read of the
RAP paper is itself called an assumption in the paper.)
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pimsim.config.architecture import Architecture, Macro
from pimsim.records import ServiceTimes, SourceKind
from pimsim.units import ps_from_ns

RESOURCE_CLASSES: Final = (
    "macro",
    "write",
    "vector_unit",
    "tile_buffer",
    "global_buffer",
    "noc",
)


def service_times(architecture: Architecture) -> ServiceTimes:
    """Derive all service times of a chip.

    Parameters
    ----------
    architecture
        The chip.

    Returns
    -------
    ServiceTimes
        Times in whole picoseconds and rates in bits per nanosecond.

    Notes
    -----
    All columns are sampled at the end of ``read_time_ns``. A shared converter works through the
    held samples while the next read settles, so reads follow each other every
    ``max(read_time_ns, conversions * conversion_time_ns)`` with one conversion for each of the
    ``columns_per_adc`` columns, or for each pair or weight whose columns are summed before the
    converter. Not modelled: the conversions after the last read of a vector, which no next read
    hides; the conversions saved where input cycles are summed in charge.
    """
    macros = architecture.macros
    kinds: Mapping[str, SourceKind] = MappingProxyType(dict.fromkeys(RESOURCE_CLASSES, "assumed"))
    return ServiceTimes(
        read_ps={name: _read_ps(macro) for name, macro in macros.items()},
        row_write_ps={
            name: ps_from_ns(macro.write.cycle_time_ns)
            for name, macro in macros.items()
            if macro.write is not None
        },
        unit_cycle_ps=ps_from_ns(1.0 / architecture.chip.clock_ghz),
        tile_buffer_bits_per_ns=architecture.tile.buffer.bandwidth_bits_per_ns,
        global_buffer_bits_per_ns=architecture.chip.global_buffer.bandwidth_bits_per_ns,
        link_bits_per_ns=architecture.chip.noc.link_bits_per_ns,
        router_delay_ps=ps_from_ns(architecture.chip.noc.router_delay_ns),
        kinds=kinds,
    )


def _read_ps(macro: Macro) -> int:
    conversions = -(-macro.adc.columns_per_adc * macro.slice_conversions // macro.slices)
    shared_ns = conversions * macro.adc.conversion_time_ns
    return ps_from_ns(max(macro.read_time_ns, shared_ns))
