"""Room in the tile buffers: who may put an output where, and who has to wait.

Which question this module answers: *is there room for this output, and if not, who will free
some?*

An output takes room from the admission of its step to the pipeline until the last operation that
needs it is done with it: back-pressure, a producer waits until its consumers have freed room. What
macros drive or a unit computes with stays in the buffer until they have; what is written into cells
stays until it is fetched. Under ``layer_by_layer`` all steps of an operation are admitted, and
freed, together; under the other dataflows step by step.

The mapping has said how much room the output of each operation must have at least (its *share*: all
of it, or a token where tokens stream), and in which turns operations run, so that the shares of one
turn fit beside what earlier turns have left to be read, and with their shares alone none of them
waits for ever (:mod:`pimsim.mapping.rooms`). When the first operation of a turn begins, and all
turns before have begun, the shares of the turn are reserved; an operation uses its share again for
later steps. Beyond its share, and ahead of its turn, an operation may take what the largest demand
of any turn leaves over, once for every older inference. So nobody is locked out for ever, and
buffers larger than necessary let operations run ahead.

A buffer that cannot hold the shares of some turn, as when groups of tokens are too large for it,
stops those that wait for it, and the replay reports the deadlock. A buffer that has room for
everything at once is not watched.

Not modelled: fragmentation, and the capacity of the global buffer, which the mapping has checked
for one inference and whose inputs and outputs the host exchanges between inferences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import final

from simpy.events import Event

from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.plan import Gate, OpPlan


@dataclass(frozen=True, slots=True)
class Demand:
    """What one stream wants of a buffer in one inference."""

    stream: int
    turn: int
    bits: int
    """All its outputs."""
    share_bits: int
    """What it must have at least."""


@dataclass(slots=True)
class _Account:
    """What one stream has of a buffer in one inference."""

    left_bits: int
    """What it has yet to ask for."""
    credit_bits: int = 0
    """Reserved for it and free."""
    extra_bits: int = 0
    """What it holds beyond its share."""


@final
class Room:
    """Room in one buffer.

    Parameters
    ----------
    demands
        Streams that write into the buffer, in the order of their turns.
    peak_bits
        Largest demand of a turn: its shares and what earlier turns have left to be read.
    """

    def __init__(
        self,
        env: ReplayEnvironment,
        capacity_bits: int,
        demands: Sequence[Demand],
        peak_bits: int,
    ) -> None:
        self.used_bits, self.capacity_bits = 0, capacity_bits
        """Held or reserved; all there is."""
        self._env = env
        self.peak_bits = peak_bits
        self._extra_bits: dict[int, int] = {}
        """Inference → what it holds beyond shares."""
        self._demands = {demand.stream: demand for demand in demands}
        turns = sorted({demand.turn for demand in demands})
        self._turns = [[each for each in demands if each.turn == turn] for turn in turns]
        self._number = {turn: number for number, turn in enumerate(turns)}
        self._next_turn = (0, 0)
        """Inference and turn whose shares are to be reserved next."""
        self._accounts: dict[tuple[int, int], _Account] = {}
        self._waiting: list[tuple[int, int, int, int, Event]] = []
        self._begun: set[tuple[int, int]] = set()
        """Inferences and turns of which a stream has asked for room."""

    @property
    def wanted_bits(self) -> list[int]:
        """What those who wait for room want, in the order of service."""
        return [bits for _, _, _, bits, _ in self._waiting]

    def ask(self, request: int, stream: int, bits: int, span: int) -> Event | None:
        """Take room as ``span`` ends, or get an event whose value is the span that freed it."""
        self._begun.add((request, self._number[self._demands[stream].turn]))
        self._reserve()
        if self._take(request, stream, bits):
            if self._waiting:
                self._serve(span)  # a turn that has begun may be what others waited for
            return None
        event = self._env.event()
        self._waiting.append((request, self._demands[stream].turn, stream, bits, event))
        self._waiting.sort(key=lambda waiting: waiting[:3])
        self._serve(span)
        return event

    def free(self, request: int, stream: int, bits: int, span: int) -> None:
        """Give room back at the end of ``span``, and to those who wait for it."""
        account = self._account(request, stream)
        extra = min(account.extra_bits, bits)
        account.extra_bits -= extra
        self._note_extra(request, -extra)
        account.credit_bits += bits - extra
        self.used_bits -= extra
        self._trim(account)
        self._serve(span)

    def _account(self, request: int, stream: int) -> _Account:
        key = (request, stream)
        found = self._accounts.get(key)
        if found is None:
            found = self._accounts[key] = _Account(self._demands[stream].bits)
        return found

    def _take(self, request: int, stream: int, bits: int) -> bool:
        """Take room out of the stream's share, or of what is left over."""
        account = self._account(request, stream)
        if account.credit_bits >= bits:
            account.credit_bits -= bits
        elif self.used_bits + bits <= self.capacity_bits and self._spares(request, bits):
            self._note_extra(request, bits)
            self.used_bits += bits
            account.extra_bits += bits
        else:
            return False
        account.left_bits -= bits
        self._trim(account)
        return True

    def _note_extra(self, request: int, bits: int) -> None:
        held_bits = self._extra_bits.pop(request, 0) + bits
        if held_bits:
            self._extra_bits[request] = held_bits

    def _spares(self, request: int, bits: int) -> bool:
        """Whether the oldest inference, and all others older than this one, keep their demand."""
        oldest, extra_bits = self._next_turn[0], bits
        for holder in sorted({*self._extra_bits, request, min(oldest, request)}, reverse=True):
            extra_bits += self._extra_bits.get(holder, 0)
            kept_bits = max(1, holder - oldest) * self.peak_bits
            if holder <= request and extra_bits + kept_bits > self.capacity_bits:
                return False
        return True

    def _trim(self, account: _Account) -> None:
        """Give up what is reserved for nothing."""
        idle = account.credit_bits - account.left_bits
        if idle > 0:
            account.credit_bits -= idle
            self.used_bits -= idle

    def _reserve(self) -> None:
        """Reserve the shares of the turns that have begun, in order, as far as they fit."""
        request, number = self._next_turn
        while (request, number) in self._begun:
            found = [
                (self._account(request, demand.stream), demand) for demand in self._turns[number]
            ]
            shares = [min(account.left_bits, demand.share_bits) for account, demand in found]
            if self.used_bits + sum(shares) > self.capacity_bits:
                break
            self.used_bits += sum(shares)
            for (account, _), share in zip(found, shares, strict=True):
                account.credit_bits += share
            wraps = number + 1 == len(self._turns)
            request, number = (request + 1, 0) if wraps else (request, number + 1)
        self._next_turn = request, number

    def _serve(self, span: int) -> None:
        """Reserve what can be, then give room to those who wait, the oldest inference first."""
        self._reserve()
        still = []
        for waiting in self._waiting:
            request, _, stream, bits, event = waiting
            if self._take(request, stream, bits):
                event.succeed(span)
            else:
                still.append(waiting)
        self._waiting = still


@final
class Buffers:
    """Room in all tile buffers, and which reader frees how much of it.

    Parameters
    ----------
    env
        The clock.
    streams
        All streams, in listed order.
    capacity_bits
        Of each tile buffer.
    by_step
        Whether room is taken and freed step by step.
    inferences
        Most inferences whose outputs are held at once.
    """

    def __init__(
        self,
        env: ReplayEnvironment,
        streams: Sequence[Sequence[OpPlan]],
        *,
        capacity_bits: int,
        by_step: bool,
        inferences: int,
    ) -> None:
        self.rooms: dict[int, Room] = {}
        """Watched tile → its room."""
        self._streams, self._by_step = streams, by_step
        self._admitted: dict[int, tuple[int, ...]] = {}
        self._stream: dict[int, int] = {}
        self._held: dict[int, tuple[int, ...]] = {}
        """Operation → bits of its first 0, 1, 2, ... steps."""
        self._freed: dict[tuple[int, int], dict[tuple[int, bool], int]] = {}
        self._readers = readers_of([plan for stream in streams for plan in stream])
        at_home: dict[int, list[Demand]] = {}
        for number, stream in enumerate(streams):
            read = [plan for plan in stream if plan.index in self._readers and any(plan.kept)]
            if read:
                at_home.setdefault(stream[0].home, []).append(self._demand(number, stream, read))
        for tile, demands in at_home.items():
            if inferences * sum(demand.bits for demand in demands) <= capacity_bits:
                continue
            demands.sort(key=lambda demand: demand.turn)
            self.rooms[tile] = Room(env, capacity_bits, demands, self._peak_bits(demands))

    def admitted_bits(self, stream: int) -> tuple[int, ...]:
        """Room that each step of a stream takes when it is admitted."""
        return self._admitted.get(stream, ())

    def _demand(self, number: int, stream: Sequence[OpPlan], read: Sequence[OpPlan]) -> Demand:
        """What a stream wants, whose outputs ``read`` somebody reads."""
        steps = [sum(bits) for bits in zip(*(plan.kept for plan in read), strict=True)]
        total = sum(steps)
        share = total
        if self._by_step:
            share = min(total, sum(max(plan.room_bits, *plan.kept) for plan in read))
        else:
            steps = [total, *(0 for _ in steps[1:])]
        self._admitted[number] = tuple(steps)
        for plan in read:
            self._stream[plan.index] = number
            self._held[plan.index] = (0, *accumulate(plan.kept))
        return Demand(number, _turn(stream), total, share)

    def _peak_bits(self, demands: Sequence[Demand]) -> int:
        """Largest demand of a turn: its shares, and what earlier turns have left to be read."""
        streams = self._streams
        turn = {plan.index: _turn(stream) for stream in streams for plan in stream}
        last = {
            demand.stream: max(
                turn[reader]
                for plan in streams[demand.stream]
                for reader in (plan.index, *(op for op, _ in self._readers.get(plan.index, ())))
            )
            for demand in demands
        }
        return max(
            sum(each.share_bits for each in demands if each.turn <= now.turn <= last[each.stream])
            for now in demands
        )

    def used(
        self,
        request: int,
        reader: tuple[int, bool],
        gates: Sequence[Gate],
        step: int,
        span: int,
    ) -> None:
        """A reader is done with its operands of one step; free what nobody needs any more.

        Parameters
        ----------
        request
            Which inference.
        reader
            Operation, and whether it has stored its operand.
        gates, step
            What it frees.
        span
            Ends now.
        """
        for gate in gates:
            stream = self._stream.get(gate.producer)
            if stream is not None:
                room = self.rooms.get(self._streams[stream][0].home)
                bits = self._freed_bits(request, gate.producer, reader, gate.frees[step])
                if bits and room is not None:
                    room.free(request, stream, bits, span)

    def _freed_bits(self, request: int, producer: int, reader: tuple[int, bool], steps: int) -> int:
        """What nobody needs any more once a reader does not need the first ``steps`` steps."""
        freed = self._freed.setdefault((request, producer), {})
        readers, held = self._readers[producer], self._held[producer]
        before = min(freed.get(other, 0) for other in readers)
        freed[reader] = max(steps, freed.get(reader, 0))
        after = min(freed.get(other, 0) for other in readers)
        if not self._by_step:  # all or nothing
            last = len(held) - 1
            before, after = before // last * last, after // last * last
        return held[after] - held[before]


def _turn(stream: Sequence[OpPlan]) -> int:
    """Turn in which a stream begins."""
    return min(plan.turn for plan in stream)


def readers_of(plans: Sequence[OpPlan]) -> dict[int, list[tuple[int, bool]]]:
    """Operation → operations that read its output out of a buffer, and whether to store it."""
    readers: dict[int, list[tuple[int, bool]]] = {}
    for plan in plans:
        for gate in plan.gates:
            readers.setdefault(gate.producer, []).append((plan.index, False))
        if plan.macros is not None and plan.macros.stored is not None:
            for gate in plan.macros.stored.gates:
                readers.setdefault(gate.producer, []).append((plan.index, True))
    return readers
