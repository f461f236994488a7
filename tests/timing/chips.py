"""Service times, cycles and chips for the tests of timing."""

from dataclasses import replace
from typing import Any

import numpy as np

from pimsim.mapping import MappedWorkload
from pimsim.records import ServiceTimes

KINDS = (
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


def times(
    *,
    read_ps: int = 1000,
    row_write_ps: int = 500,
    unit_cycle_ps: int = 1000,
    tile_rate: float = 1e6,
    global_rate: float = 1e6,
    link_rate: float = 1e6,
    router_ps: int = 0,
    drive_ps: int | None = None,
    convert_ps: int = 0,
    shift_add_ps: int = 0,
    accumulate_ps: int = 0,
    column_write_ps: int | None = None,
    program_row_ps: int | None = None,
    memory_rate: float | None = None,
    memory_latency_ps: int = 0,
    io_rate: float | None = None,
) -> ServiceTimes:
    """By default ports and links are so fast that any small transfer takes 1 ps."""
    both = ("mram", "sram")
    return ServiceTimes(
        read_ps=dict.fromkeys(both, read_ps),
        row_write_ps={"sram": row_write_ps},
        unit_cycle_ps=unit_cycle_ps,
        tile_buffer_bits_per_ns=tile_rate,
        global_buffer_bits_per_ns=global_rate,
        link_bits_per_ns=link_rate,
        router_delay_ps=router_ps,
        kinds=dict.fromkeys(KINDS, "assumed"),
        drive_ps={} if drive_ps is None else dict.fromkeys(both, drive_ps),
        convert_ps=dict.fromkeys(both, convert_ps),
        shift_add_ps=dict.fromkeys(both, shift_add_ps),
        accumulate_ps=accumulate_ps,
        column_write_ps={} if column_write_ps is None else {"sram": column_write_ps},
        program_row_ps={} if program_row_ps is None else dict.fromkeys(both, program_row_ps),
        memory_bits_per_ns=memory_rate,
        memory_latency_ps=memory_latency_ps,
        io_bits_per_ns=io_rate,
    )


def changed(mapped: MappedWorkload, settings: dict[str, Any]) -> MappedWorkload:
    """The same placement on a chip with other settings, given as ``{"mapping.dataflow": ...}``."""

    def updated(model: Any, path: list[str], value: Any) -> Any:
        inner = value
        if len(path) > 1:
            part = model[path[0]] if isinstance(model, dict) else getattr(model, path[0])
            inner = updated(part, path[1:], value)
        if isinstance(model, dict):
            return {**model, path[0]: inner}
        return model.model_copy(update={path[0]: inner})

    architecture = mapped.architecture
    for path, value in settings.items():
        architecture = updated(architecture, path.split("."), value)
    return replace(mapped, architecture=architecture)


def cycles_of(
    mapped: MappedWorkload, cycles: int = 4, seed: int | None = None
) -> dict[str, np.ndarray]:
    """The same cycles for every token and row block, or random ones up to twice as many."""
    rng = None if seed is None else np.random.default_rng(seed)
    made = {}
    for mapped_op in mapped.ops:
        if mapped_op.placement is not None:
            shape = (mapped_op.tokens, len(mapped_op.placement.row_blocks))
            drawn = (
                np.full(shape, cycles) if rng is None else rng.integers(0, 2 * cycles + 1, shape)
            )
            made[mapped_op.op.name] = drawn.astype(np.int32)
    return made
