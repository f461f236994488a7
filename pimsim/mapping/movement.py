"""Bits that travel for each operation: from which buffer, over which links, to which tile.

Which question this module answers: *how many bits move for one inference, and along which way?*

Rules
-----
- Every tile has a buffer for the outputs of the operations at home there. Inputs of the graph and
  stored constants lie in the global buffer, to which outputs of the graph go.
- An input is read once from where it lies, then sent to every tile whose macros need some of it:
  a tile receives the elements of the row blocks that it holds. Of a matrix in several copies, the
  vectors are dealt out to the copies in turn; of an operand that is written in passes, they are
  read again in every pass.
- A dynamic product's stored operand goes, block by block, to the tiles of its macros; of one whose
  earlier rows are resident there (the cache of a decoding step), only the new elements. A cache
  that lives in the off-chip memory is fetched whole, and what is new is written there first.
- Row blocks of one column that share a tile are summed there; the sums of every tile but the home
  tile travel to the home tile as accumulators of ``inputs.bits + weights.bits + ceil(log2(rows))``
  bits, enough for any sum of that many products, and wider by the largest shift of their groups.
- Shifts of groups travel like the operand that they belong to; those of static weights lie beside
  the macros from the start, and where they lie is not modelled.
- What a streaming unit takes from its product crosses no buffer. Any other output is written to
  the home tile's buffer, or to where it is spilled; one that leaves the graph to the global buffer.
- When the elements of an input have several origins, every tile takes from each in proportion.
- An expanded (broadcast) tensor is read as often as its elements are used.
- The memory has no port to the network but the global buffer's, and what passes there on its way
  is not written into the global buffer.
- Inputs of the graph are written into the global buffer once, when the first operation takes them:
  through the pins if the chip has ``chip.io``, or out of the memory if they are rows of an
  embedding table and the chip has ``chip.memory``. Outputs leave through the pins the same way.
- Where macros are reprogrammed in rounds, static weights come out of the memory in every inference.

Not modelled: addresses, headers and control messages, multicast (each tile gets a copy of its own),
and the staging of an operand between its buffer and the word lines.
"""

from collections.abc import Mapping
from typing import Literal, cast

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.fetches import Graph, operands_of, share, weights_of
from pimsim.mapping.mapped import MEMORY, MappedWorkload, Place, dealt
from pimsim.mapping.origins import Origin, trace_origins
from pimsim.mapping.traffic import (
    Arrival,
    Delivery,
    Fetch,
    Port,
    Site,
    Topology,
    Traffic,
)
from pimsim.mapping.widths import accumulator_bits
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.records import MovedBits
from pimsim.registry import TIMING_UNITS
from pimsim.workload.shapes import elements

__all__ = [
    "Arrival",
    "Delivery",
    "Fetch",
    "Place",
    "Port",
    "Site",
    "Topology",
    "Traffic",
    "moved_bits",
    "plan_traffic",
    "port_of",
    "share",
    "streamed_inputs",
    "topology_of",
    "traffic_of",
]


def port_of(place: Place) -> Port:
    """The port to the network of what lies in a place: the memory's is the global buffer's."""
    return None if place == MEMORY else place


def topology_of(architecture: Architecture) -> Topology:
    """The network that the architecture names."""
    model = TIMING_UNITS[architecture.chip.noc.model]
    return cast(Topology, model(architecture.chip.tiles))


def traffic_of(mapped: MappedWorkload) -> dict[str, Traffic]:
    """Everything that moves on a mapped workload, by operation."""
    sites = {
        mapped_op.op.name: Site(
            mapped_op.tile, mapped_op.tokens, mapped_op.placement, mapped_op.spilled
        )
        for mapped_op in mapped.ops
    }
    origins = trace_origins(mapped.quantized, mapped.dims)
    reprogrammed = mapped.rounds > 1
    return plan_traffic(
        mapped.quantized,
        mapped.architecture,
        mapped.dims,
        sites,
        origins,
        reprogrammed=reprogrammed,
    )


def plan_traffic(
    quantized: QuantizedWorkload,
    architecture: Architecture,
    dims: Mapping[str, int],
    sites: Mapping[str, Site],
    origins: Mapping[str, tuple[Origin, ...]],
    *,
    reprogrammed: bool = False,
) -> dict[str, Traffic]:
    """Decide what moves for each operation, by the rules of this module.

    Parameters
    ----------
    quantized, architecture, dims
        As in :func:`pimsim.mapping.map_workload`.
    sites
        Executed operation → where it happens.
    origins
        From :func:`pimsim.mapping.origins.trace_origins`.
    reprogrammed
        Whether static weights come out of the memory in every inference.

    Raises
    ------
    MappingError
        If a unit streams from something whose output it does not take.
    """
    graph = Graph(quantized, dims, sites, origins)
    streams = streamed_inputs(quantized, origins)
    taken = _taken(quantized, origins, streams)
    leaving = _leaving(quantized, origins)
    arrivals = _arrivals(architecture, graph)
    plans = {}
    for op in quantized.ops:
        if op.name not in sites:
            continue
        site = sites[op.name]
        output_bits = leaving.get(op.name, 0) * quantized.tensors[op.output].encoding.bits
        dead = op.name not in taken and op.name not in leaving
        buffered = dead or taken.get(op.name, False)
        operands = operands_of(op, streams.get(op.name, frozenset()), graph)
        weights = None
        if reprogrammed and op.kind == "static_product":
            weights = weights_of(site, architecture)
        plans[op.name] = Traffic(
            home=site.tile,
            inputs=operands.inputs,
            stored=operands.stored,
            stored_matrices=operands.stored_matrices,
            partial_sums=_partial_sums(site, architecture),
            write_bits=_output_bits(op, quantized, dims) if buffered else 0,
            output_bits=output_bits,
            spilled=site.spilled,
            arrivals=arrivals[op.name],
            departing_bits=0 if architecture.chip.io is None else output_bits,
            programmed=() if weights is None else (weights,),
        )
    return plans


def _arrivals(architecture: Architecture, graph: Graph) -> dict[str, tuple[Arrival, ...]]:
    """Executed operation → inputs of the graph that it is the first to take."""
    chip, tables = architecture.chip, looked_up(graph.quantized)
    arrived: set[str] = set()
    arrivals = {}
    for op in graph.quantized.ops:
        if op.name not in graph.sites:
            continue
        bits: dict[Literal["io", "memory"], int] = {"io": 0, "memory": 0}
        for tensor in _taken_from_buffer(op, graph):
            if tensor not in arrived:
                arrived.add(tensor)
                found = graph.quantized.tensors[tensor]
                off_chip = tensor in tables and chip.memory is not None
                size_bits = elements(found.shape, graph.dims) * found.encoding.bits
                bits["memory" if off_chip else "io"] += size_bits
        if chip.io is None:
            bits["io"] = 0
        arrivals[op.name] = tuple(Arrival(via, count) for via, count in bits.items() if count)
    return arrivals


def _taken_from_buffer(op: QuantizedOp, graph: Graph) -> list[str]:
    """Inputs and constants of the graph that an operation takes, caches apart."""
    return [
        origin.tensor
        for name in op.inputs
        for origin in graph.origins[name]
        if origin.producer is None and not origin.resident
    ]


def looked_up(quantized: QuantizedWorkload) -> dict[str, str]:
    """Tensor whose rows the host fetches from an embedding table → that table."""
    tables = {op.name: op.inputs[1] for op in quantized.workload.ops if op.kind == "embedding"}
    return {
        op.output: tables[op.source]
        for op in quantized.ops
        if op.kind == "boundary" and op.source in tables
    }


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
    fetches = (*traffic.inputs, *traffic.stored, *traffic.programmed)
    links = 0
    for fetch in fetches:
        for delivery in fetch.deliveries:
            links += delivery.bits * len(topology.route(port_of(fetch.source), delivery.tile))
    for delivery in traffic.partial_sums:
        links += delivery.bits * len(topology.route(delivery.tile, traffic.home))
    links += traffic.output_bits * len(topology.route(traffic.home, None))
    links += traffic.write_bits * len(topology.route(traffic.home, port_of(traffic.place)))
    read: dict[str, int] = {}
    for fetch in fetches:
        read[_kind(fetch.source)] = read.get(_kind(fetch.source), 0) + fetch.bits
    written = {_kind(traffic.place): traffic.write_bits}
    arrived = {arrival.via: arrival.bits for arrival in traffic.arrivals}
    return MovedBits(
        tile_buffer_read_bits=read.get("tile", 0),
        tile_buffer_write_bits=written.get("tile", 0),
        global_buffer_read_bits=read.get("global_buffer", 0) + traffic.departing_bits,
        global_buffer_write_bits=(
            written.get("global_buffer", 0) + traffic.output_bits + sum(arrived.values())
        ),
        link_bits=links,
        memory_read_bits=read.get(MEMORY, 0) + arrived.get("memory", 0),
        memory_write_bits=written.get(MEMORY, 0),
        io_bits=arrived.get("io", 0) + traffic.departing_bits,
    )


def _kind(place: Place) -> str:
    if place is None:
        return "global_buffer"
    return MEMORY if place == MEMORY else "tile"


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


def _partial_sums(site: Site, architecture: Architecture) -> tuple[Delivery, ...]:
    placement = site.placement
    if placement is None:
        return ()
    macro = architecture.macros[placement.macro]
    width = accumulator_bits(macro, placement)
    sums: dict[int, int] = {}
    for copy, blocks in enumerate((placement.blocks, *placement.replicas)):
        size = placement.macros_per_pass or len(blocks)
        pieces = {
            (number // size, block.tile, block.instance, block.col_start, block.col_stop)
            for number, block in enumerate(blocks)
            if block.tile != site.tile
        }
        vectors = dealt(site.tokens, placement.copies, copy)
        for _, tile, _, start, stop in sorted(pieces):
            sums[tile] = sums.get(tile, 0) + (stop - start) * vectors * width
    return tuple(Delivery(tile, bits) for tile, bits in sums.items())
