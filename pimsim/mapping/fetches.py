"""Which bits an operation fetches from where, and which tile gets how many of them.

Which question this module answers: *what is read for the operands of one operation?*

The rules are told in :mod:`pimsim.mapping.movement`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pimsim.config.architecture import Architecture
from pimsim.mapping.mapped import MEMORY, Place, Placement, dealt, pieces_of
from pimsim.mapping.origins import Origin
from pimsim.mapping.products import Product, resolve_product
from pimsim.mapping.traffic import Delivery, Fetch, Site
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload


@dataclass(frozen=True, slots=True)
class Graph:
    """What is known of the graph and of where its operations are."""

    quantized: QuantizedWorkload
    dims: Mapping[str, int]
    sites: Mapping[str, Site]
    origins: Mapping[str, tuple[Origin, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Elements of a tensor that one operation wants."""

    by_tile: Mapping[int, int]
    read: int | None = None
    """Elements read out of buffers in all; ``None``: each once."""


@dataclass(frozen=True, slots=True)
class Operands:
    """Everything that one operation fetches."""

    inputs: tuple[Fetch, ...]
    stored: tuple[Fetch, ...] = ()
    stored_matrices: int = 0


def share(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split an integer in proportion to ``weights``, without loss.

    Examples
    --------
    >>> share(10, [1, 1, 1])
    (3, 3, 4)
    """
    whole, seen, given, parts = sum(weights), 0, 0, []
    for weight in weights:
        seen += weight
        upto = total * seen // whole
        parts.append(upto - given)
        given = upto
    return tuple(parts)


def operands_of(op: QuantizedOp, streamed: frozenset[str], graph: Graph) -> Operands:
    """What an operation fetches, apart from the inputs that it takes in a stream."""
    site = graph.sites[op.name]
    if site.placement is None:
        loose = [name for name in op.inputs if name not in streamed]
        fetched = (part for name in loose for part in _to_home(name, site.tile, graph, op=op))
        return Operands(merge(fetched))
    driven, shifts = _driven_elements(site.placement)
    inputs = _fetch(op.inputs[0], driven, graph)
    if op.groups is not None and op.groups.driven is not None:
        inputs += _fetch(op.groups.driven, shifts, graph)
    resident = site.placement.fresh is not None
    product = resolve_product(op, graph.quantized, graph.dims, resident=resident)
    if product.operand == "static":
        return Operands(merge(inputs))
    areas: dict[int, int] = {}
    for block in site.placement.blocks:
        _, written = site.placement.written(block)
        areas[block.tile] = areas.get(block.tile, 0) + written * product.stored_matrices
    stored = _fetch(op.inputs[1], Wanted(areas), graph, with_cache=not resident)
    if op.groups is not None and op.groups.stored is not None:
        wanted = Wanted(_stored_shifts(site.placement, product))
        stored += _fetch(op.groups.stored, wanted, graph, with_cache=not resident)
    return Operands(merge(inputs), merge(stored), product.stored_matrices)


def weights_of(site: Site, architecture: Architecture) -> Fetch | None:
    """The weights of a static product on their way from the memory to all copies."""
    placement = site.placement
    if placement is None:
        return None
    bits = placement.stored_bits
    if bits is None:
        bits = architecture.macros[placement.macro].weights.bits
    by_tile: dict[int, int] = {}
    for block in placement.all_blocks:
        area = (block.row_stop - block.row_start) * (block.col_stop - block.col_start)
        by_tile[block.tile] = by_tile.get(block.tile, 0) + area * bits
    deliveries = tuple(Delivery(tile, amount) for tile, amount in sorted(by_tile.items()))
    return Fetch(MEMORY, placement.rows * placement.cols * bits, deliveries)


def _driven_elements(placement: Placement) -> tuple[Wanted, Wanted]:
    """Codes, and shifts, of the driven operand that tiles need in one inference.

    A vector goes to one copy; where an operand is written in passes, it is driven in each of them.
    """
    codes: dict[int, int] = {}
    shifts: dict[int, int] = {}
    read_codes = read_shifts = 0
    for copy, blocks in enumerate((placement.blocks, *placement.replicas)):
        vectors = dealt(placement.input_vectors, placement.copies, copy)
        size = placement.macros_per_pass or len(blocks)
        rows = {
            (number // size, block.tile, block.instance, block.row_start, block.row_stop)
            for number, block in enumerate(blocks)
        }
        for _, tile, _, start, stop in sorted(rows):
            codes[tile] = codes.get(tile, 0) + (stop - start) * vectors
            pieces = len(pieces_of(start, stop, placement.group))
            shifts[tile] = shifts.get(tile, 0) + pieces * vectors
        for _, _, start, stop in {(number, *ranges) for number, _, *ranges in rows}:
            read_codes += (stop - start) * vectors
            read_shifts += len(pieces_of(start, stop, placement.group)) * vectors
    if placement.passes == 1:
        return Wanted(codes), Wanted(shifts)
    return Wanted(codes, read_codes), Wanted(shifts, read_shifts)


def _stored_shifts(placement: Placement, product: Product) -> dict[int, int]:
    """Tile → shifts of the operand that is written into its macros in one inference."""
    wanted: dict[int, int] = {}
    for block in placement.blocks:
        pieces = len(pieces_of(block.row_start, block.row_stop, placement.group))
        cols = block.col_stop - block.col_start
        wanted[block.tile] = wanted.get(block.tile, 0) + pieces * cols * product.stored_matrices
    return wanted


def _to_home(tensor: str, home: int, graph: Graph, *, op: QuantizedOp) -> list[Fetch]:
    """Read a whole tensor and send it to the home tile; a cache too, into the MAC array."""
    size = sum(origin.elements for origin in graph.origins[tensor])
    return _fetch(tensor, Wanted({home: size}), graph, with_cache=op.is_product)


def _fetch(tensor: str, wanted: Wanted, graph: Graph, *, with_cache: bool = False) -> list[Fetch]:
    """Read every origin of a tensor, and send each tile the elements that it wants."""
    origins = [origin for origin in graph.origins[tensor] if with_cache or not origin.resident]
    weights = [origin.elements for origin in origins]
    shares = {tile: share(amount, weights) for tile, amount in wanted.by_tile.items() if weights}
    reads = weights if wanted.read is None or not weights else share(wanted.read, weights)
    fetches = []
    for index, origin in enumerate(origins):
        bits = graph.quantized.tensors[origin.tensor].encoding.bits
        fetches.append(
            Fetch(
                source=_source(origin, graph),
                bits=reads[index] * bits,
                deliveries=tuple(
                    Delivery(tile, parts[index] * bits) for tile, parts in shares.items()
                ),
            )
        )
    return fetches


def _source(origin: Origin, graph: Graph) -> Place:
    """Where the elements lie until they are fetched."""
    if origin.producer is None:
        return MEMORY if origin.resident else None
    return graph.sites[origin.producer].place


def merge(fetches: Iterable[Fetch]) -> tuple[Fetch, ...]:
    """Join reads of one buffer into one."""
    bits: dict[Place, int] = {}
    deliveries: dict[Place, dict[int, int]] = {}
    for fetch in fetches:
        bits[fetch.source] = bits.get(fetch.source, 0) + fetch.bits
        to_tile = deliveries.setdefault(fetch.source, {})
        for delivery in fetch.deliveries:
            to_tile[delivery.tile] = to_tile.get(delivery.tile, 0) + delivery.bits
    return tuple(
        Fetch(source, amount, tuple(Delivery(*item) for item in deliveries[source].items()))
        for source, amount in bits.items()
    )
