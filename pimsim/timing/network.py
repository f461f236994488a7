"""The resources of the chip, and how data pass through ports, channels and the network.

Which question this module answers: *when do these bits arrive, and whom did they wait for?*

Ports
    One port per buffer, shared by reads and writes, at ``*_buffer_bits_per_ns``.
Network
    Virtual cut-through switching [1]_: at every hop the head of a packet (the bits of one step)
    waits for the link, then reaches the next router after ``router_delay_ps``, while the link stays
    busy until the tail has left, ``bits / link_bits_per_ns`` later. Without contention a packet of
    ``n`` hops takes ``n * router_delay_ps + bits / link_bits_per_ns``. A packet that must wait is
    held in the router before the busy link, so that it never blocks the links behind it.
Memory and pins
    One channel each, shared by both directions: the bits of a request occupy it at
    ``memory_bits_per_ns`` or ``io_bits_per_ns``; what is read out of the memory comes
    ``memory_latency_ps`` after that. Bits of the memory enter and leave the network at the global
    buffer's port to it, without passing through the buffer.

Not modelled: routers with finite buffers, flits, headers, virtual channels, banks, pages and
refresh of memories, and latency of the buffers.

References
----------
.. [1] P. Kermani, L. Kleinrock, Virtual Cut-Through: A New Computer Communication Switching
   Technique, Computer Networks 3, 1979.
"""

from collections.abc import Generator, Sequence
from typing import Any, final

from simpy.events import Event, Timeout

from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MEMORY, Place
from pimsim.mapping.movement import port_of
from pimsim.mapping.traffic import Arrival, Topology
from pimsim.records import MovedBits, ServiceTimes
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.plan import PortUse, Transfer
from pimsim.timing.service import Channel
from pimsim.timing.trace import NO_RESOURCE, Server, Tail, Trace

Waits = Generator[Event, Any, int]
"""A SimPy process that yields events and returns the span that its result waited for."""


@final
class _Moved:
    """Bits that really moved for one operation."""

    __slots__ = (
        "global_read",
        "global_write",
        "io",
        "links",
        "memory_read",
        "memory_write",
        "tile_read",
        "tile_write",
    )

    def __init__(self) -> None:
        self.tile_read = self.tile_write = self.global_read = self.global_write = self.links = 0
        self.memory_read = self.memory_write = self.io = 0

    def record(self, inferences: int) -> MovedBits:
        """Bits per inference."""
        return MovedBits(
            tile_buffer_read_bits=_each(self.tile_read, inferences),
            tile_buffer_write_bits=_each(self.tile_write, inferences),
            global_buffer_read_bits=_each(self.global_read, inferences),
            global_buffer_write_bits=_each(self.global_write, inferences),
            link_bits=_each(self.links, inferences),
            memory_read_bits=_each(self.memory_read, inferences),
            memory_write_bits=_each(self.memory_write, inferences),
            io_bits=_each(self.io, inferences),
        )


def _each(total: int, inferences: int) -> int:
    """What each of equal inferences did."""
    share, rest = divmod(total, inferences)
    if rest:
        raise SimulationError(
            f"{inferences} equal inferences moved {total} bits in all; please report this"
        )
    return share


@final
class Chip:
    """Resources with their queues, made when first used, and the transport between them.

    Parameters
    ----------
    env
        The clock.
    times
        Rates and delays.
    topology
        The network.
    op_count
        Number of operations. A customer is ``op_count * inference + operation``.
    """

    def __init__(
        self, env: ReplayEnvironment, times: ServiceTimes, topology: Topology, op_count: int
    ) -> None:
        self.env = env
        self.trace = Trace()
        self.servers: list[Server | Tail] = []
        self._shared: dict[str, Server] = {}
        self._topology = topology
        self._ports: dict[Place, tuple[Server, Channel]] = {}
        self._routes: dict[tuple[Place, Place], tuple[Server, ...]] = {}
        self._op_count = op_count
        self._moved = [_Moved() for _ in range(op_count)]
        self._tile = Channel("tile_buffer", times.tile_buffer_bits_per_ns)
        self._global = Channel("global_buffer", times.global_buffer_bits_per_ns)
        self._link = Channel("noc", times.link_bits_per_ns, times.router_delay_ps)
        self._memory = _optional("memory", times.memory_bits_per_ns, times.memory_latency_ps)
        self._io = _optional("io", times.io_bits_per_ns)

    def server(self, name: str, kind: str) -> Server:
        """The resource called ``name``, of class ``kind``."""
        found = self._shared.get(name)
        if found is None:
            found = self._shared[name] = Server(name, kind, len(self.servers), self.trace)
            self.servers.append(found)
        return found

    def tail(self, name: str, kind: str) -> Tail:
        """A new stage called ``name`` behind the macros of one operation."""
        made = Tail(name, kind, len(self.servers), self.trace)
        self.servers.append(made)
        return made

    def moved(self, op: int, inferences: int) -> MovedBits:
        """Bits that moved for operation number ``op`` in each of equal inferences."""
        return self._moved[op].record(inferences)

    def pending(self, span: int) -> Event | None:
        """An event for the end of a span; ``None`` if it has ended."""
        remaining_ps = self.trace.end_ps[span] - self.env.now_ps
        return Timeout(self.env, remaining_ps) if remaining_ps > 0 else None

    def wait_for(self, span: int) -> Waits:
        """Let time pass until a span ends."""
        event = self.pending(span)
        if event is not None:
            yield event
        return span

    def begin_read(
        self, customer: int, uses: Sequence[PortUse], step: int, token: int, cause: int
    ) -> int:
        """Begin to read the operands of one step out of all places; the span that ends last."""
        last = cause
        moved = self._moved[customer % self._op_count]
        for use in uses:
            bits = use.bits[step]
            if bits:
                if use.place is None:
                    moved.global_read += bits
                elif use.place == MEMORY:
                    moved.memory_read += bits
                else:
                    moved.tile_read += bits
                span = self._access(customer, use.place, bits, token, cause)
                if last == cause or self.trace.end_ps[span] > self.trace.end_ps[last]:
                    last = span
        return last

    def read(
        self, customer: int, uses: Sequence[PortUse], step: int, token: int, cause: int
    ) -> Waits:
        """Read the operands of one step out of all places at once."""
        return self.wait_for(self.begin_read(customer, uses, step, token, cause))

    def begin_write(self, customer: int, place: Place, bits: int, token: int, cause: int) -> int:
        """Begin to write an output into a place; the span of it."""
        if not bits:
            return cause
        moved = self._moved[customer % self._op_count]
        if place is None:
            moved.global_write += bits
        elif place == MEMORY:
            moved.memory_write += bits
        else:
            moved.tile_write += bits
        return self._access(customer, place, bits, token, cause, reads=False)

    def write(self, customer: int, place: Place, bits: int, token: int, cause: int) -> Waits:
        """Write an output into a place."""
        return self.wait_for(self.begin_write(customer, place, bits, token, cause))

    def arrive(self, customer: int, arrival: Arrival, cause: int) -> Waits:
        """Bring inputs of the graph into the global buffer."""
        if arrival.via == "io":
            span = yield from self._exchange(customer, arrival.bits, 0, cause)
        else:
            use = PortUse(MEMORY, (arrival.bits,))
            span = yield from self.read(customer, (use,), 0, 0, cause)
        return (yield from self.write(customer, None, arrival.bits, 0, span))

    def depart(self, customer: int, bits: int, token: int, cause: int) -> Waits:
        """Take outputs of the graph out of the global buffer and off the chip."""
        span = yield from self.read(customer, (PortUse(None, (bits,)),), 0, token, cause)
        return (yield from self._exchange(customer, bits, token, span))

    def _exchange(self, customer: int, bits: int, token: int, cause: int) -> Waits:
        """Carry bits through the pins, in or out."""
        self._moved[customer % self._op_count].io += bits
        channel = self._declared(self._io, "io")
        span = self.server("io", "io").occupy(
            self.env.now_ps, channel.service_ps(bits), op=customer, token=token, cause=cause
        )
        return (yield from self.wait_for(span))

    def send(
        self, customer: int, transfers: Sequence[Transfer], step: int, token: int, cause: int
    ) -> Waits:
        """Send one step of every transfer at once; go on when the last has arrived."""
        active = [transfer for transfer in transfers if transfer.bits[step]]
        if len(active) == 1:
            return self._packet(customer, active[0], step, token, cause)
        return self._packets(customer, active, step, token, cause)

    def _packets(
        self, customer: int, transfers: Sequence[Transfer], step: int, token: int, cause: int
    ) -> Waits:
        """Send any number of packets at once."""
        if not transfers:
            return cause
        env = self.env
        processes = [
            env.process(self._packet(customer, transfer, step, token, cause))
            for transfer in transfers
        ]
        arrived = yield env.all_of(processes)
        return self.trace.latest([arrived[process] for process in processes])

    def _access(
        self, customer: int, place: Place, bits: int, token: int, cause: int, *, reads: bool = True
    ) -> int:
        """Pass bits through the port of a buffer, or the channel of the memory."""
        found = self._ports.get(place)
        port, channel = self._port(place) if found is None else found
        span = port.occupy(
            self.env.now_ps, channel.service_ps(bits), op=customer, token=token, cause=cause
        )
        if reads and channel.latency_ps:
            end_ps = self.trace.end_ps[span]
            span = self.trace.span(
                end_ps,
                end_ps + channel.latency_ps,
                op=customer,
                token=token,
                kind=channel.kind,
                cause=span,
            )
        return span

    def _port(self, place: Place) -> tuple[Server, Channel]:
        """The resource through which a place is read and written."""
        if place is None:
            port, channel = self.server("global_buffer", "global_buffer"), self._global
        elif place == MEMORY:
            port, channel = self.server("memory", "memory"), self._declared(self._memory, "memory")
        else:
            port, channel = self.server(f"tile_buffer:{place}", "tile_buffer"), self._tile
        self._ports[place] = port, channel
        return port, channel

    def _declared(self, channel: Channel | None, name: str) -> Channel:
        if channel is None:
            raise SimulationError(
                f"the mapping moves bits over '{name}', but the service times have no rate for it; "
                f"describe chip.{name}"
            )
        return channel

    def _route(self, transfer: Transfer) -> tuple[Server, ...]:
        ends = (transfer.source, transfer.destination)
        found = self._routes.get(ends)
        if found is None:
            names = self._topology.route(port_of(ends[0]), port_of(ends[1]))
            found = tuple(self.server(f"noc:{name}", "noc") for name in names)
            self._routes[ends] = found
        return found

    def _packet(
        self, customer: int, transfer: Transfer, step: int, token: int, cause: int
    ) -> Waits:
        """Carry the bits of one step over every link of their route."""
        env, trace = self.env, self.trace
        bits = transfer.bits[step]
        tail_ps, delay_ps = self._link.service_ps(bits), self._link.latency_ps
        route = self._route(transfer)
        last, code = len(route), trace.code("noc")
        self._moved[customer % self._op_count].links += bits * last
        for hop, link in enumerate(route, start=1):
            held = link.occupy(env.now_ps, tail_ps, op=customer, token=token, cause=cause)
            begin_ps = trace.begin_ps[held]
            end_ps = begin_ps + delay_ps + (tail_ps if hop == last else 0)
            row = (trace.cause(held), NO_RESOURCE, customer, token, 0, code)
            cause = trace.note(begin_ps, end_ps, row)
            remaining_ps = end_ps - env.now_ps
            if remaining_ps > 0:
                yield Timeout(env, remaining_ps)
        return cause


def _optional(kind: str, bits_per_ns: float | None, latency_ps: int = 0) -> Channel | None:
    return None if bits_per_ns is None else Channel(kind, bits_per_ns, latency_ps)
