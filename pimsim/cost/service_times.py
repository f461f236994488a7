"""How long each action occupies its resource.

Which question this module answers: *how many picoseconds does one read, one row write, one clock
cycle or one router hop take?*

Times come from the architecture file, so they are as good as its author's knowledge; pimsim cannot
tell a measured time from a guessed one there and marks them all ``assumed``. (The 10 ns read of the
RAP paper is itself called an assumption in the paper.)
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from pimsim.config.architecture import Architecture, Macro
from pimsim.cost.recombination import tree_of
from pimsim.cost.sourced import Sourced, ceil, exact, largest, setting
from pimsim.records import ServiceTimes, SourceKind
from pimsim.units import ps_from_ns

RESOURCE_CLASSES: Final = (
    "macro",
    "adc",
    "shift_add",
    "write",
    "program",
    "vector_unit",
    "tile_buffer",
    "global_buffer",
    "noc",
    "memory",
    "io",
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
    converter. Where zeros are skipped, the controller chooses the rows of a read while the read
    before it lasts; reads follow each other no faster than it does.

    The conversions of a vector's last read follow it, as does its shift-and-add: one clock cycle
    for each level of the adder tree behind the converters of one weight
    (:func:`pimsim.cost.recombination.tree_of`) and one for the accumulator. Adding the sum of
    another row block takes one clock cycle more. All of these work while the next vector is read.

    Not modelled: the controller's time before the first read of a vector; the conversions saved
    where input cycles are summed in charge; adders that take more or less than a cycle.
    """
    kinds: Mapping[str, SourceKind] = MappingProxyType(dict.fromkeys(RESOURCE_CLASSES, "assumed"))
    times = derived_times(architecture)
    macros = architecture.macros

    def per_macro(time: str) -> dict[str, int]:
        return {
            name: ps_from_ns(times[f"{name}.{time}"].value)
            for name in macros
            if f"{name}.{time}" in times
        }

    return ServiceTimes(
        read_ps=per_macro("read_ns"),
        row_write_ps=per_macro("row_write_ns"),
        drive_ps=per_macro("drive_ns"),
        convert_ps=per_macro("convert_ns"),
        shift_add_ps=per_macro("shift_add_ns"),
        accumulate_ps=ps_from_ns(times["units.accumulate_ns"].value),
        column_write_ps=per_macro("column_write_ns"),
        program_row_ps=per_macro("program_row_ns"),
        unit_cycle_ps=ps_from_ns(times["units.cycle_ns"].value),
        tile_buffer_bits_per_ns=times["tile_buffer.bandwidth_bits_per_ns"].value,
        global_buffer_bits_per_ns=times["global_buffer.bandwidth_bits_per_ns"].value,
        link_bits_per_ns=times["noc.link_bits_per_ns"].value,
        router_delay_ps=ps_from_ns(times["noc.router_delay_ns"].value),
        kinds=kinds,
        memory_bits_per_ns=_rate(times, "memory.bandwidth_bits_per_ns"),
        memory_latency_ps=ps_from_ns(_rate(times, "memory.latency_ns") or 0.0),
        io_bits_per_ns=_rate(times, "io.bandwidth_bits_per_ns"),
    )


def _rate(times: Mapping[str, Sourced], name: str) -> float | None:
    return times[name].value if name in times else None


def derived_times(architecture: Architecture) -> dict[str, Sourced]:
    """Derive every service time, with the formula that gives it.

    Returns
    -------
    dict
        ``"<component>.<time>"``, such as ``"mram.read_ns"``, → time [ns] or rate [bit/ns], from the
        settings of the architecture file.
    """
    chip = architecture.chip
    found: dict[str, Sourced] = {}
    clock_ghz = setting("chip.clock_ghz", chip.clock_ghz)
    cycle_ns = (1.0 / clock_ghz).named("cycle_ns", note="one clock cycle")
    for name, macro in architecture.macros.items():
        macro_times = (
            *_macro_times(name, macro, architecture.pvt.supply_v),
            *_digital_times(name, macro, cycle_ns),
        )
        found |= {f"{name}.{time}": each for time, each in macro_times}
    return (
        found
        | _outside_times(architecture)
        | {
            "units.cycle_ns": cycle_ns,
            "units.accumulate_ns": cycle_ns,
            "tile_buffer.bandwidth_bits_per_ns": setting(
                "tile.buffer.bandwidth_bits_per_ns", architecture.tile.buffer.bandwidth_bits_per_ns
            ),
            "global_buffer.bandwidth_bits_per_ns": setting(
                "chip.global_buffer.bandwidth_bits_per_ns", chip.global_buffer.bandwidth_bits_per_ns
            ),
            "noc.link_bits_per_ns": setting("chip.noc.link_bits_per_ns", chip.noc.link_bits_per_ns),
            "noc.router_delay_ns": setting("chip.noc.router_delay_ns", chip.noc.router_delay_ns),
        }
    )


def _macro_times(name: str, macro: Macro, supply_v: float) -> Iterator[tuple[str, Sourced]]:
    place = f"macros.{name}"
    timed = macro.timed(supply_v)
    changed = timed != macro
    if macro.write is not None:
        yield "row_write_ns", setting(f"{place}.write.cycle_time_ns", macro.write.cycle_time_ns)

    def stated(key: str, value_ns: float) -> Sourced:
        """A time of the file, or what read-out, pipeline or supply make of it."""
        if not changed:
            return setting(f"{place}.{key}", value_ns)
        keys = {"pipeline": macro.pipeline, "readout": macro.readout}
        by = next((name for name, given in keys.items() if given is not None), "supply")
        return exact(f"{place}.{key} by {place}.{by} at {supply_v:g} V", value_ns, "ns")

    drive = stated("read_time_ns", timed.read_time_ns)
    slices = exact("cells per weight", macro.slices)
    sharing = setting(f"{place}.adc.columns_per_adc", macro.adc.columns_per_adc)
    conversions = ceil(sharing * exact("conversions per weight", macro.slice_conversions) / slices)
    convert = conversions.named("conversions per read and converter") * stated(
        "adc.conversion_time_ns", timed.adc.conversion_time_ns
    )
    drive, convert = drive.named("drive_ns"), convert.named("convert_ns")
    yield "drive_ns", drive
    yield "convert_ns", convert
    note = "converters work while the next read settles, so the longer of the two counts"
    stages = [drive, convert]
    choosing_ns = macro.zero_skipping.controller_time_ns
    if choosing_ns is not None:
        stages.append(setting(f"{place}.zero_skipping.controller_time_ns", choosing_ns))
        note = "choosing rows, settling and converting overlap, so the longest counts"
    yield "read_ns", largest(*stages).named("read_ns", note=note)


def _digital_times(name: str, macro: Macro, cycle_ns: Sourced) -> Iterator[tuple[str, Sourced]]:
    levels = exact("levels of adders behind the converters of a weight", tree_of(macro).levels)
    note = "one cycle for each level and one for the accumulator"
    yield "shift_add_ns", ((levels + 1.0) * cycle_ns).named("shift_add_ns", note=note)
    place = f"macros.{name}"
    if macro.write is not None and macro.write.port == "column":
        yield "column_write_ns", setting(f"{place}.write.cycle_time_ns", macro.write.cycle_time_ns)
    if macro.reprogram is not None:
        yield (
            "program_row_ns",
            setting(f"{place}.reprogram.row_time_ns", macro.reprogram.row_time_ns),
        )


def _outside_times(architecture: Architecture) -> dict[str, Sourced]:
    """Rates and latency of what is behind the chip's pins."""
    found: dict[str, Sourced] = {}
    memory, io = architecture.chip.memory, architecture.chip.io
    if memory is not None:
        found["memory.bandwidth_bits_per_ns"] = setting(
            "chip.memory.bandwidth_bits_per_ns", memory.bandwidth_bits_per_ns
        )
        found["memory.latency_ns"] = setting("chip.memory.latency_ns", memory.latency_ns)
    if io is not None:
        found["io.bandwidth_bits_per_ns"] = setting(
            "chip.io.bandwidth_bits_per_ns", io.bandwidth_bits_per_ns
        )
    return found
