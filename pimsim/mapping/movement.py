"""Bits that travel for each operation: from which buffer, over which links, to which tile.

Which question this module answers: *how many bits move for one inference, and along which way?*

Rules
-----
- Every tile has a buffer for the outputs of the operations at home there. Inputs of the graph and
  stored constants lie in the global buffer, to which outputs of the graph go.
- An input is read once from where it lies, then sent to every tile whose macros need some of it:
  a tile receives the elements of the row blocks that it holds.
- A dynamic product's stored operand goes, block by block, to the tiles of its macros; of one whose
  earlier rows are resident there (the cache of a decoding step), only the new elements.
- Row blocks of one column that share a tile are summed there; the sums of every tile but the home
  tile travel to the home tile as accumulators of ``inputs.bits + weights.bits + ceil(log2(rows))``
  bits, enough for any sum of that many products, and wider by the largest shift of their groups.
- Shifts of groups travel like the operand that they belong to; those of static weights lie beside
  the macros from the start, and where they lie is not modelled.
- What a streaming unit takes from its product crosses no buffer. Any other output is written to
  the home tile's buffer, one that leaves the graph to the global buffer.
- When the elements of an input have several origins, every tile takes from each in proportion.
- An expanded (broadcast) tensor is read as often as its elements are used.

Not modelled: addresses, headers and control messages, multicast (each tile gets a copy of its own),
and the staging of an operand between its buffer and the word lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.mapped import MappedWorkload, Placement, pieces_of
from pimsim.mapping.origins import Origin, trace_origins
from pimsim.mapping.placement import Product, resolve_product
from pimsim.mapping.widths import accumulator_bits
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.records import MovedBits
from pimsim.registry import TIMING_UNITS
from pimsim.workload.shapes import elements

Place = int | None
"""Something with a port to the network: a tile by its number, or ``None``, the global buffer."""


class Topology(Protocol):
    """Shape of a network on chip: what a network-on-chip model of the registry must offer."""

    def __init__(self, tiles: int) -> None: ...

    def route(self, source: Place, destination: Place) -> tuple[str, ...]:
        """Names of the links from one place to another, in order; empty when they are the same."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Bits that one tile receives or sends during one inference."""

    tile: int
    bits: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """One read of a buffer, and where the bits go from there, during one inference."""

    source: Place
    bits: int
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Everything that moves for one operation during one inference."""

    home: int
    inputs: tuple[Fetch, ...]
    """What is driven onto word lines or taken by the unit, token by token."""
    stored: tuple[Fetch, ...]
    """The operand that is written into cells."""
    stored_matrices: int
    """In how many portions, one after another, ``stored`` is written."""
    partial_sums: tuple[Delivery, ...]
    """Sums sent from each other tile to the home tile."""
    write_bits: int
    """Output written to the buffer of the home tile."""
    output_bits: int
    """Output sent to the global buffer."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an operation happens, in how many steps."""

    tile: int
    tokens: int
    placement: Placement | None


def topology_of(architecture: Architecture) -> Topology:
    """The network that the architecture names."""
    model = TIMING_UNITS[architecture.chip.noc.model]
    return cast(Topology, model(architecture.chip.tiles))


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


def traffic_of(mapped: MappedWorkload) -> dict[str, Traffic]:
    """Everything that moves on a mapped workload, by operation."""
    sites = {
        mapped_op.op.name: Site(mapped_op.tile, mapped_op.tokens, mapped_op.placement)
        for mapped_op in mapped.ops
    }
    origins = trace_origins(mapped.quantized, mapped.dims)
    return plan_traffic(mapped.quantized, mapped.architecture, mapped.dims, sites, origins)


def plan_traffic(
    quantized: QuantizedWorkload,
    architecture: Architecture,
    dims: Mapping[str, int],
    sites: Mapping[str, Site],
    origins: Mapping[str, tuple[Origin, ...]],
) -> dict[str, Traffic]:
    """Decide what moves for each operation, by the rules of this module.

    Raises
    ------
    MappingError
        If a unit streams from something whose output it does not take.
    """
    graph = _Graph(quantized, dims, sites, origins)
    streams = streamed_inputs(quantized, origins)
    taken = _taken(quantized, origins, streams)
    leaving = _leaving(quantized, origins)
    plans = {}
    for op in quantized.ops:
        if op.name not in sites:
            continue
        site = sites[op.name]
        bits = quantized.tensors[op.output].encoding.bits
        dead = op.name not in taken and op.name not in leaving
        buffered = dead or taken.get(op.name, False)
        inputs, stored, matrices = _fetches(op, streams.get(op.name, frozenset()), graph)
        plans[op.name] = Traffic(
            home=site.tile,
            inputs=inputs,
            stored=stored,
            stored_matrices=matrices,
            partial_sums=_partial_sums(site, architecture),
            write_bits=_output_bits(op, quantized, dims) if buffered else 0,
            output_bits=leaving.get(op.name, 0) * bits,
        )
    return plans


def _output_bits(op: QuantizedOp, quantized: QuantizedWorkload, dims: Mapping[str, int]) -> int:
    """All that an operation yields: codes, and shifts where it codes groups."""
    tensors = [quantized.tensors[name] for name in (op.output, op.shifts) if name is not None]
    return sum(elements(tensor.shape, dims) * tensor.encoding.bits for tensor in tensors)


def streamed_inputs(
    quantized: QuantizedWorkload, origins: Mapping[str, tuple[Origin, ...]]
) -> dict[str, frozenset[str]]:
    """Unit → inputs that it takes straight from its product, or from a unit in the same stream.

    Raises
    ------
    MappingError
        If a unit streams from something whose output it does not take, or takes only partly.
    """
    streams: dict[str, set[str]] = {}
    for op in quantized.ops:
        if op.stream_from is not None:
            streams.setdefault(op.stream_from, {op.stream_from}).add(op.name)
    found = {}
    for op in quantized.ops:
        if op.stream_from is None:
            continue
        whole, partly = set(), set()
        for name in op.inputs:
            inside = [origin.producer in streams[op.stream_from] for origin in origins[name]]
            if all(inside):
                whole.add(name)
            elif any(inside):
                partly.add(name)
        if partly or not whole:
            problem = (
                f"its input {min(partly)!r} comes only partly from there"
                if partly
                else "takes no input from there"
            )
            raise MappingError(f"op {op.name!r} streams from {op.stream_from!r}, but {problem}")
        found[op.name] = frozenset(whole)
    return found


def moved_bits(traffic: Traffic, topology: Topology) -> MovedBits:
    """Sum what moves for one operation per place."""
    links = 0
    for fetch in (*traffic.inputs, *traffic.stored):
        for delivery in fetch.deliveries:
            links += delivery.bits * len(topology.route(fetch.source, delivery.tile))
    for delivery in traffic.partial_sums:
        links += delivery.bits * len(topology.route(delivery.tile, traffic.home))
    links += traffic.output_bits * len(topology.route(traffic.home, None))
    reads = (*traffic.inputs, *traffic.stored)
    return MovedBits(
        tile_buffer_read_bits=sum(fetch.bits for fetch in reads if fetch.source is not None),
        tile_buffer_write_bits=traffic.write_bits,
        global_buffer_read_bits=sum(fetch.bits for fetch in reads if fetch.source is None),
        global_buffer_write_bits=traffic.output_bits,
        link_bits=links,
    )


def _taken(
    quantized: QuantizedWorkload,
    origins: Mapping[str, tuple[Origin, ...]],
    streams: Mapping[str, frozenset[str]],
) -> dict[str, bool]:
    """Operations whose output another one takes → whether one takes it from a buffer."""
    taken: dict[str, bool] = {}
    for op in quantized.ops:
        if op.kind in ("movement", "boundary"):
            continue
        for name in op.inputs:
            for origin in origins[name]:
                if origin.producer is not None:
                    buffered = name not in streams.get(op.name, frozenset())
                    taken[origin.producer] = taken.get(origin.producer, False) or buffered
    return taken


def _leaving(
    quantized: QuantizedWorkload, origins: Mapping[str, tuple[Origin, ...]]
) -> dict[str, int]:
    """Operations whose output leaves the graph → how many elements of it."""
    leaving: dict[str, int] = {}
    for name in quantized.outputs:
        for origin in origins[name]:
            if origin.producer is not None:
                leaving[origin.producer] = leaving.get(origin.producer, 0) + origin.elements
    return leaving


@dataclass(frozen=True, slots=True)
class _Graph:
    """What is known of the graph and of where its operations are."""

    quantized: QuantizedWorkload
    dims: Mapping[str, int]
    sites: Mapping[str, Site]
    origins: Mapping[str, tuple[Origin, ...]]


def _fetches(
    op: QuantizedOp, streamed: frozenset[str], graph: _Graph
) -> tuple[tuple[Fetch, ...], tuple[Fetch, ...], int]:
    """Inputs, stored operand, and portions of the latter."""
    site = graph.sites[op.name]
    if site.placement is None:
        loose = [name for name in op.inputs if name not in streamed]
        return _merge(part for name in loose for part in _to_home(name, site.tile, graph)), (), 0
    driven, shifts = _driven_elements(site.placement)
    inputs = _fetch(op.inputs[0], driven, graph)
    if op.groups is not None and op.groups.driven is not None:
        inputs += _fetch(op.groups.driven, shifts, graph)
    resident = site.placement.fresh is not None
    product = resolve_product(op, graph.quantized, graph.dims, resident=resident)
    if product.operand == "static":
        return _merge(inputs), (), 0
    areas: dict[int, int] = {}
    for block in site.placement.blocks:
        _, written = site.placement.written(block)
        areas[block.tile] = areas.get(block.tile, 0) + written * product.stored_matrices
    stored = _fetch(op.inputs[1], areas, graph)
    if op.groups is not None and op.groups.stored is not None:
        stored += _fetch(op.groups.stored, _stored_shifts(site.placement, product), graph)
    return _merge(inputs), _merge(stored), product.stored_matrices


def _driven_elements(placement: Placement) -> tuple[dict[int, int], dict[int, int]]:
    """Tile → codes, and shifts, of the driven operand that its macros need in one inference."""
    rows = {
        (block.tile, block.instance, block.row_start, block.row_stop) for block in placement.blocks
    }
    codes: dict[int, int] = {}
    shifts: dict[int, int] = {}
    for tile, _, start, stop in sorted(rows):
        codes[tile] = codes.get(tile, 0) + (stop - start) * placement.input_vectors
        pieces = len(pieces_of(start, stop, placement.group))
        shifts[tile] = shifts.get(tile, 0) + pieces * placement.input_vectors
    return codes, shifts


def _stored_shifts(placement: Placement, product: Product) -> dict[int, int]:
    """Tile → shifts of the operand that is written into its macros in one inference."""
    wanted: dict[int, int] = {}
    for block in placement.blocks:
        pieces = len(pieces_of(block.row_start, block.row_stop, placement.group))
        cols = block.col_stop - block.col_start
        wanted[block.tile] = wanted.get(block.tile, 0) + pieces * cols * product.stored_matrices
    return wanted


def _to_home(tensor: str, home: int, graph: _Graph) -> list[Fetch]:
    """Read a whole tensor and send it to the home tile."""
    return _fetch(tensor, {home: sum(origin.elements for origin in graph.origins[tensor])}, graph)


def _fetch(tensor: str, wanted: Mapping[int, int], graph: _Graph) -> list[Fetch]:
    """Read every origin of a tensor once, and send each tile the elements it wants."""
    origins = [origin for origin in graph.origins[tensor] if not origin.resident]
    weights = [origin.elements for origin in origins]
    shares = {tile: share(amount, weights) for tile, amount in wanted.items() if weights}
    fetches = []
    for index, origin in enumerate(origins):
        bits = graph.quantized.tensors[origin.tensor].encoding.bits
        fetches.append(
            Fetch(
                source=None if origin.producer is None else graph.sites[origin.producer].tile,
                bits=origin.elements * bits,
                deliveries=tuple(
                    Delivery(tile, parts[index] * bits) for tile, parts in shares.items()
                ),
            )
        )
    return fetches


def _merge(fetches: Iterable[Fetch]) -> tuple[Fetch, ...]:
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


def _partial_sums(site: Site, architecture: Architecture) -> tuple[Delivery, ...]:
    if site.placement is None:
        return ()
    columns: dict[int, int] = {}
    pieces = {
        (block.tile, block.instance, block.col_start, block.col_stop)
        for block in site.placement.blocks
        if block.tile != site.tile
    }
    for tile, _, start, stop in sorted(pieces):
        columns[tile] = columns.get(tile, 0) + stop - start
    macro = architecture.macros[site.placement.macro]
    width = accumulator_bits(macro, site.placement) * site.tokens
    return tuple(Delivery(tile, count * width) for tile, count in columns.items())
