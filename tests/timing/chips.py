"""Service times and cycles for the tests of timing."""

import numpy as np

from pimsim.mapping import MappedWorkload
from pimsim.records import ServiceTimes


def times(
    *,
    read_ps: int = 1000,
    row_write_ps: int = 500,
    unit_cycle_ps: int = 1000,
    tile_rate: float = 1e6,
    global_rate: float = 1e6,
    link_rate: float = 1e6,
    router_ps: int = 0,
) -> ServiceTimes:
    """By default ports and links are so fast that any small transfer takes 1 ps."""
    kinds = ("macro", "write", "vector_unit", "tile_buffer", "global_buffer", "noc")
    return ServiceTimes(
        read_ps={"mram": read_ps, "sram": read_ps},
        row_write_ps={"sram": row_write_ps},
        unit_cycle_ps=unit_cycle_ps,
        tile_buffer_bits_per_ns=tile_rate,
        global_buffer_bits_per_ns=global_rate,
        link_bits_per_ns=link_rate,
        router_delay_ps=router_ps,
        kinds=dict.fromkeys(kinds, "assumed"),
    )


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
