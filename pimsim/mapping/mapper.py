"""A quantized workload laid onto an architecture.

Which question this module answers: *where on the chip does each operation run, in how many steps,
with which traffic?*

Products run in macros (:mod:`pimsim.mapping.placement`), units on the tile where their first input
lies, a streaming unit on the tile of its product. Movements and boundaries vanish
(:mod:`pimsim.mapping.origins`); what travels is counted by :mod:`pimsim.mapping.movement`, and what
lives at once is checked by :mod:`pimsim.mapping.buffers`. All functions are pure.

A *token* is one step of an operation: one vector of its output, all heads together. A tensor of
shape ``(batch, *heads, vectors, length)`` has ``batch * vectors`` tokens.
"""

import math
from collections.abc import Mapping

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.buffers import check_buffers
from pimsim.mapping.mapped import MappedOp, MappedWorkload, Placement, UnitUse
from pimsim.mapping.movement import Site, moved_bits, plan_traffic, topology_of
from pimsim.mapping.origins import Origin, fresh_elements, trace_origins
from pimsim.mapping.placement import check_integers, place_products
from pimsim.mapping.widths import macro_in_use
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.shapes import resolve_shape


def map_workload(
    quantized: QuantizedWorkload, architecture: Architecture, dims: Mapping[str, int]
) -> MappedWorkload:
    """Lay a quantized workload onto an architecture.

    Parameters
    ----------
    quantized
        The integer graph, with or without weights; operations in execution order.
    architecture
        The chip.
    dims
        A number for every symbolic dimension, ``{"batch": 1}``.

    Returns
    -------
    MappedWorkload
        Every product with its macros, every operation with its home tile, tokens, traffic per
        inference and the operations it waits for.

    Raises
    ------
    MappingError
        If the chip is too small, has no place for a kind of operand, or takes narrower operands;
        the message gives the numbers and the remedy.
    WorkloadError
        If a size uses a dimension that ``dims`` lacks.
    """
    check_integers(quantized)  # before movement is traced, which has no form for real numbers
    origins = trace_origins(quantized, dims)
    fresh = fresh_elements(quantized, dims)
    placements = place_products(quantized, architecture, dims, fresh)
    sites, units = _sites(quantized, dims, placements, origins)
    traffic = plan_traffic(quantized, architecture, dims, sites, origins)
    check_buffers(quantized, architecture, dims, traffic, origins)
    topology = topology_of(architecture)
    ops = tuple(
        MappedOp(
            op=op,
            tile=sites[op.name].tile,
            tokens=sites[op.name].tokens,
            placement=placements.get(op.name),
            unit=units.get(op.name),
            moved=moved_bits(traffic[op.name], topology),
            depends_on=_depends_on(op, origins),
        )
        for op in quantized.ops
        if op.name in sites
    )
    return MappedWorkload(
        quantized=quantized,
        architecture=architecture,
        dims=dict(dims),
        ops=ops,
        macros_used=_macros_used(placements, architecture),
        cells_used=_cells_used(placements, architecture),
    )


def _sites(
    quantized: QuantizedWorkload,
    dims: Mapping[str, int],
    placements: Mapping[str, Placement],
    origins: Mapping[str, tuple[Origin, ...]],
) -> tuple[dict[str, Site], dict[str, UnitUse]]:
    """Home tile and tokens of every executed operation, and the work of every unit."""
    sites: dict[str, Site] = {}
    units: dict[str, UnitUse] = {}
    for op in quantized.ops:
        if op.is_product:
            placement = placements[op.name]
            sites[op.name] = Site(placement.blocks[0].tile, placement.input_vectors, placement)
        elif op.kind == "unit":
            shape = resolve_shape(quantized.tensors[op.output].shape, dims)
            units[op.name] = _unit_use(op, shape)
            if op.stream_from is not None:
                product = _product(op, sites)
                sites[op.name] = Site(product.tile, product.tokens, None)
            else:
                tile = _first_producer_tile(op, origins, sites)
                sites[op.name] = Site(tile, _tokens(shape), None)
    return sites, units


def _product(op: QuantizedOp, sites: Mapping[str, Site]) -> Site:
    site = sites.get(op.stream_from or "")
    if site is None or site.placement is None:
        raise MappingError(
            f"op {op.name!r} streams from {op.stream_from!r}, which is not a product before it"
        )
    return site


def _first_producer_tile(
    op: QuantizedOp, origins: Mapping[str, tuple[Origin, ...]], sites: Mapping[str, Site]
) -> int:
    """Tile of the first computed operand; tile 0, next to the global buffer, if there is none."""
    for name in op.inputs:
        for origin in origins[name]:
            if origin.producer is not None:
                return sites[origin.producer].tile
    return 0


def _tokens(shape: tuple[int, ...]) -> int:
    """Vectors of a tensor, heads together."""
    if len(shape) <= 2:
        return math.prod(shape[:-1])
    return shape[0] * shape[-2]


def _unit_use(op: QuantizedOp, shape: tuple[int, ...]) -> UnitUse:
    """Rows of a unit lie along the last axis, or along the axes that are normalized together.

    Of a unit that codes an operand in groups, rows lie along the axis of the groups.
    """
    axis = op.attributes.get("axis", -1)
    if op.function == "softmax" and axis not in (-1, len(shape) - 1):
        raise MappingError(
            f"op {op.name!r} is a softmax along axis {axis} of {len(shape)}; a unit takes rows "
            "along the last axis, so permute the tensor first"
        )
    if op.function is None:
        raise MappingError(f"op {op.name!r} names no digital unit; its scheme must set 'function'")
    axes = op.attributes.get("normalized_axes", 1) if op.function == "layer_norm" else 1
    length = shape[axis] if op.shifts is not None else math.prod(shape[len(shape) - axes :])
    return UnitUse(function=op.function, rows=math.prod(shape) // length, length=length)


def _depends_on(op: QuantizedOp, origins: Mapping[str, tuple[Origin, ...]]) -> tuple[str, ...]:
    producers = (origin.producer for name in op.inputs for origin in origins[name])
    return tuple(dict.fromkeys(producer for producer in producers if producer is not None))


def _macros_used(placements: Mapping[str, Placement], architecture: Architecture) -> dict[str, int]:
    used = dict.fromkeys(architecture.macros, 0)
    for placement in placements.values():
        used[placement.macro] += len(placement.blocks)
    return used


def _cells_used(placements: Mapping[str, Placement], architecture: Architecture) -> dict[str, int]:
    used = dict.fromkeys(architecture.macros, 0)
    for placement in placements.values():
        elements = placement.rows * placement.cols * placement.instances
        macro = architecture.macros[placement.macro]
        used[placement.macro] += elements * macro_in_use(macro, placement).slices
    return used
