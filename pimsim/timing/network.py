"""The resources of the chip, and how data pass through buffers' ports and the network.

Which question this module answers: *when do these bits arrive, and whom did they wait for?*

Ports
    One port per buffer, shared by reads and writes, at ``*_buffer_bits_per_ns``.
Network
    Virtual cut-through switching [1]_: at every hop the head of a packet (the bits of one token)
    waits for the link, then reaches the next router after ``router_delay_ps``, while the link stays
    busy until the tail has left, ``bits / link_bits_per_ns`` later. Without contention a packet of
    ``n`` hops takes ``n * router_delay_ps + bits / link_bits_per_ns``. A packet that must wait is
    held in the router before the busy link, so that it never blocks the links behind it.

Not modelled: routers with finite buffers (back-pressure), flits, headers, virtual channels, and
bank conflicts or latency of the buffers.

References
----------
.. [1] P. Kermani, L. Kleinrock, Virtual Cut-Through: A New Computer Communication Switching
   Technique, Computer Networks 3, 1979.
"""

from collections.abc import Generator, Sequence
from fractions import Fraction
from typing import Any, final

from simpy.events import Event

from pimsim.mapping.movement import Place, Topology
from pimsim.records import MovedBits, ServiceTimes
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.plan import OpPlan, PortUse, Transfer, transfer_ps
from pimsim.timing.trace import Server, Trace

Steps = Generator[Event, Any, int]
"""A SimPy process that yields events and returns the span that its result waited for."""


@final
class _Moved:
    """Bits that really moved for one operation."""

    __slots__ = ("global_read", "global_write", "links", "tile_read", "tile_write")

    def __init__(self) -> None:
        self.tile_read = self.tile_write = self.global_read = self.global_write = self.links = 0

    def record(self) -> MovedBits:
        return MovedBits(
            tile_buffer_read_bits=self.tile_read,
            tile_buffer_write_bits=self.tile_write,
            global_buffer_read_bits=self.global_read,
            global_buffer_write_bits=self.global_write,
            link_bits=self.links,
        )


@final
class Chip:
    """Resources with their queues, made when first used, and the transport between them."""

    def __init__(
        self, env: ReplayEnvironment, times: ServiceTimes, topology: Topology, ops: Sequence[str]
    ) -> None:
        self.env = env
        self.trace = Trace()
        self.servers: list[Server] = []
        self._by_name: dict[str, Server] = {}
        self._topology = topology
        self._moved = [_Moved() for _ in ops]
        self._tile_rate = Fraction(times.tile_buffer_bits_per_ns)
        self._global_rate = Fraction(times.global_buffer_bits_per_ns)
        self._link_rate = Fraction(times.link_bits_per_ns)
        self._router_ps = times.router_delay_ps

    def server(self, name: str, kind: str) -> Server:
        """The resource called ``name``, of class ``kind``."""
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = Server(name, kind, len(self.servers), self.trace)
            self.servers.append(found)
        return found

    def moved(self, op: int) -> MovedBits:
        """Bits that moved for operation number ``op``."""
        return self._moved[op].record()

    def wait_for(self, span: int) -> Steps:
        """Let time pass until a span ends."""
        remaining_ps = self.trace.end_ps[span] - self.env.now_ps
        if remaining_ps > 0:
            yield self.env.timeout(remaining_ps)
        return span

    def read(
        self, plan: OpPlan, uses: Sequence[PortUse], step: int, token: int, cause: int
    ) -> Steps:
        """Read the operands of one step out of all their buffers at once."""
        spans = []
        for use in uses:
            bits = use.bits[step]
            if bits:
                moved = self._moved[plan.index]
                if use.place is None:
                    moved.global_read += bits
                else:
                    moved.tile_read += bits
                spans.append(self._through_port(plan, use.place, bits, token, cause))
        if not spans:
            return cause
        return (yield from self.wait_for(self.trace.latest(spans)))

    def write(self, plan: OpPlan, place: Place, bits: int, token: int, cause: int) -> Steps:
        """Write an output into a buffer."""
        if not bits:
            return cause
        moved = self._moved[plan.index]
        if place is None:
            moved.global_write += bits
        else:
            moved.tile_write += bits
        return (yield from self.wait_for(self._through_port(plan, place, bits, token, cause)))

    def send(
        self, plan: OpPlan, transfers: Sequence[Transfer], step: int, token: int, cause: int
    ) -> Steps:
        """Send one step of every transfer at once; go on when the last has arrived."""
        active = [transfer for transfer in transfers if transfer.bits[step]]
        if not active:
            return cause
        packets = [self._packet(plan, transfer, step, token, cause) for transfer in active]
        if len(packets) == 1:
            return (yield from packets[0])
        processes = [self.env.process(packet) for packet in packets]
        arrived = yield self.env.all_of(processes)
        return self.trace.latest([arrived[process] for process in processes])

    def _through_port(self, plan: OpPlan, place: Place, bits: int, token: int, cause: int) -> int:
        if place is None:
            port, rate = self.server("global_buffer", "global_buffer"), self._global_rate
        else:
            port, rate = self.server(f"tile_buffer:{place}", "tile_buffer"), self._tile_rate
        service_ps = transfer_ps(bits, rate)
        return port.occupy(self.env.now_ps, service_ps, op=plan.index, token=token, cause=cause)

    def _packet(self, plan: OpPlan, transfer: Transfer, step: int, token: int, cause: int) -> Steps:
        """Carry the bits of one token over every link of their route."""
        env, trace, op = self.env, self.trace, plan.index
        bits = transfer.bits[step]
        tail_ps = transfer_ps(bits, self._link_rate)
        route = self._topology.route(transfer.source, transfer.destination)
        for hop, name in enumerate(route, start=1):
            self._moved[op].links += bits
            link = self.server(f"noc:{name}", "noc")
            held = link.occupy(env.now_ps, tail_ps, op=op, token=token, cause=cause)
            begin_ps = trace.begin_ps[held]
            end_ps = begin_ps + self._router_ps + (tail_ps if hop == len(route) else 0)
            cause = trace.span(
                begin_ps, end_ps, op=op, token=token, kind="noc", cause=trace.cause(held)
            )
            yield from self.wait_for(cause)
        return cause
