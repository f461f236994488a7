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
from collections.abc import Mapping, Set
from dataclasses import replace

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.integer.digital_mac import mac_hardware
from pimsim.mapping.buffers import Kept, keep_outputs
from pimsim.mapping.homes import find_homes, stored_producers
from pimsim.mapping.mapped import MappedOp, MappedWorkload, Need, UnitUse
from pimsim.mapping.movement import Site, Traffic, moved_bits, plan_traffic, topology_of
from pimsim.mapping.needs import find_needs
from pimsim.mapping.notes import large_matrices, wear
from pimsim.mapping.origins import Origin, trace
from pimsim.mapping.placement import Layout, place_products
from pimsim.mapping.problem import Problem
from pimsim.mapping.products import check_integers, resolve_product
from pimsim.mapping.rooms import Fusing, find_turns, in_dataflow, whole_outputs
from pimsim.mapping.widths import macro_in_use
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.shapes import SizeTable, resolve_shape


def map_workload(
    quantized: QuantizedWorkload,
    architecture: Architecture,
    dims: Mapping[str, int],
    *,
    macro_area_mm2: Mapping[str, float] | None = None,
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
    macro_area_mm2
        Kind of macro → area of one; only needed with ``mapping.replication_mm2``.

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
    sizes = SizeTable(dims)
    origins, fresh = trace(quantized, sizes)
    layout = place_products(quantized, architecture, sizes, fresh, macro_area_mm2)
    sites, units = _sites(quantized, sizes, layout, origins)
    tokens = {name: site.tokens for name, site in sites.items()}
    needs = find_needs(quantized, sizes, tokens, origins)
    rounds = _rounds(quantized, layout, needs)
    problem = Problem(quantized, architecture, sizes, origins)
    traffic, kept = _traffic(problem, layout, sites, needs, rounds)
    topology = topology_of(architecture)
    ops = tuple(
        MappedOp(
            op=_equipped(op, units.get(op.name), quantized),
            tile=sites[op.name].tile,
            tokens=tokens[op.name],
            placement=layout.placements.get(op.name),
            unit=units.get(op.name),
            moved=moved_bits(traffic[op.name], topology),
            depends_on=tuple(need.op for need in needs[op.name]),
            needs=needs[op.name],
            round=rounds[op.name],
            spilled=kept.spilled.get(op.name),
            room_bits=kept.room_bits.get(op.name, 0),
            turn=kept.turn[op.name],
        )
        for op in quantized.ops
        if op.name in sites
    )
    used = _macros_used(layout, architecture)
    mapped = MappedWorkload(
        quantized=quantized,
        architecture=architecture,
        dims=dict(dims),
        ops=ops,
        macros_used=used,
        cells_used=_cells_used(layout, architecture),
        rounds=layout.round_count,
        homes=find_homes(problem, layout, kept),
    )
    return replace(mapped, notes=(*large_matrices(mapped), *wear(mapped)))


def _traffic(
    problem: Problem,
    layout: Layout,
    sites: Mapping[str, Site],
    needs: Mapping[str, tuple[Need, ...]],
    rounds: Mapping[str, int],
) -> tuple[dict[str, Traffic], Kept]:
    """What moves, and where outputs are kept: planned again if some are spilled."""

    def plan(places: Mapping[str, Site]) -> dict[str, Traffic]:
        return plan_traffic(
            problem.quantized,
            problem.architecture,
            problem.dims,
            places,
            problem.origins,
            reprogrammed=layout.round_count > 1,
        )

    traffic = plan(sites)
    dataflow = problem.architecture.mapping.dataflow
    heads = {op.name: op.stream_from or op.name for op in problem.quantized.ops}
    waits = in_dataflow(needs, heads, _fusing(problem.quantized), dataflow, rounds)
    turns, whole = find_turns(waits, heads, dataflow), whole_outputs(waits)
    rooms = {
        name: plan.write_bits if name in whole else -(-plan.write_bits // sites[name].tokens)
        for name, plan in traffic.items()
    }
    kept = keep_outputs(problem, traffic, rooms, turns, stored_producers(problem, layout))
    if kept.spilled:
        moved = {
            name: replace(site, spilled=kept.spilled.get(name)) for name, site in sites.items()
        }
        traffic = plan(moved)
    return traffic, kept


def _fusing(quantized: QuantizedWorkload) -> Fusing:
    grouped = {op.name: op.group for op in quantized.ops if op.group is not None}
    roles = {op.name: op.group.role for op in quantized.ops if op.is_product and op.group}
    return Fusing(
        {name: group.name for name, group in grouped.items()},
        frozenset(name for name, role in roles.items() if role == "query"),
    )


def _rounds(
    quantized: QuantizedWorkload, layout: Layout, needs: Mapping[str, tuple[Need, ...]]
) -> dict[str, int]:
    """Round of every executed operation: that of its macros, else the last one that it waits for.

    Raises
    ------
    MappingError
        If a unit streams from a product, but waits for an operation of a later round.
    """
    rounds: dict[str, int] = {}
    for op in quantized.ops:
        if op.name not in needs:
            continue
        latest = max((rounds[need.op] for need in needs[op.name]), default=0)
        if op.name in layout.placements:
            rounds[op.name] = layout.rounds[op.name]
            continue
        rounds[op.name] = latest
        if op.stream_from is not None and rounds[op.stream_from] < latest:
            raise MappingError(
                f"op {op.name!r} takes the outputs of {op.stream_from!r} one by one, in round "
                f"{rounds[op.stream_from]} of {layout.round_count}, but also waits for round "
                f"{latest}.\n  Raise chip.tiles a little, so that the rounds are cut elsewhere."
            )
    return rounds


def _sites(
    quantized: QuantizedWorkload,
    dims: Mapping[str, int],
    layout: Layout,
    origins: Mapping[str, tuple[Origin, ...]],
) -> tuple[dict[str, Site], dict[str, UnitUse]]:
    """Home tile and tokens of every executed operation, and the work of every unit."""
    sites: dict[str, Site] = {}
    units: dict[str, UnitUse] = {}
    products = {op.name for op in quantized.ops if op.is_product}
    for op in quantized.ops:
        if op.name in layout.placements:
            placement = layout.placements[op.name]
            sites[op.name] = Site(placement.blocks[0].tile, placement.input_vectors, placement)
        elif op.is_product:
            product = resolve_product(op, quantized, dims)
            units[op.name] = UnitUse("mac_array", product.outputs, product.rows)
            tile = _first_producer_tile(op, origins, sites)
            sites[op.name] = Site(tile, product.input_vectors, None)
        elif op.kind == "unit":
            shape = resolve_shape(quantized.tensors[op.output].shape, dims)
            units[op.name] = _unit_use(op, shape)
            if op.stream_from is not None:
                site = _streamed(op, sites, products)
                sites[op.name] = Site(site.tile, site.tokens, None)
            else:
                tile = _first_producer_tile(op, origins, sites)
                sites[op.name] = Site(tile, _tokens(shape), None)
    return sites, units


def _equipped(op: QuantizedOp, unit: UnitUse | None, quantized: QuantizedWorkload) -> QuantizedOp:
    """A product of the MAC array with the hardware that multiplies operands of its widths.

    Raises
    ------
    MappingError
        If the operands share shifts in groups, which the array does not take.
    """
    if unit is None or not op.is_product:
        return op
    if op.groups is not None:
        raise MappingError(
            f"op {op.name!r} multiplies operands that share shifts in groups, which the MAC array "
            f"of units.mac_array does not take; choose another numerics.scheme than "
            f"{quantized.scheme!r}, or give the chip a writable macro"
        )
    bits = max(quantized.tensors[name].encoding.bits for name in op.inputs[:2])
    return replace(op, hardware=mac_hardware(bits))


def _streamed(op: QuantizedOp, sites: Mapping[str, Site], products: Set[str]) -> Site:
    """Where the product is from which a unit streams."""
    site = sites.get(op.stream_from or "")
    if site is None or op.stream_from not in products:
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


def _macros_used(layout: Layout, architecture: Architecture) -> dict[str, int]:
    """Macros of each kind that hold something, at most in any round."""
    rounds: dict[str, dict[int, int]] = {kind: {} for kind in architecture.macros}
    for name, placement in layout.placements.items():
        used, number = rounds[placement.macro], layout.rounds[name]
        used[number] = used.get(number, 0) + placement.macros_used
    return {kind: max(used.values(), default=0) for kind, used in rounds.items()}


def _cells_used(layout: Layout, architecture: Architecture) -> dict[str, int]:
    """Cells of each kind of macro that hold something, at most in any round and pass."""
    rounds: dict[str, dict[int, int]] = {kind: {} for kind in architecture.macros}
    for name, placement in layout.placements.items():
        macro = macro_in_use(architecture.macros[placement.macro], placement)
        used, number = rounds[placement.macro], layout.rounds[name]
        cells = placement.elements_held * macro.slices
        used[number] = used.get(number, 0) + cells
    return {kind: max(used.values(), default=0) for kind, used in rounds.items()}
