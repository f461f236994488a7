"""Ports and links: known times, known contention, and every bit counted where it went."""

import pytest

from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MEMORY, Place
from pimsim.mapping.traffic import Arrival
from pimsim.records import MovedBits
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.network import Chip, Waits
from pimsim.timing.noc import Bus, Mesh
from pimsim.timing.plan import PortUse, Transfer
from pimsim.timing.trace import START
from tests.timing.chips import times

BITS, TAIL_PS, ROUTER_PS = 10, 10, 2
"""A packet occupies a link for 10 ps, a router delays its head by 2 ps."""


def arrivals(
    topology: Mesh | Bus, packets: list[tuple[int, Place, Place]]
) -> tuple[list[int], Chip]:
    """When packets sent at given times from place to place arrive."""
    env = ReplayEnvironment()
    rate = 1000.0 * BITS / TAIL_PS
    chip = Chip(
        env,
        times(link_rate=rate, router_ps=ROUTER_PS),
        topology,
        len(packets),
    )
    ends = [0] * len(packets)

    def send(number: int, start_ps: int, source: Place, destination: Place):
        yield env.timeout(start_ps)
        came = chip.trace.span(0, start_ps, op=number, token=0, kind="noc", cause=START)
        transfer = Transfer(source, destination, (BITS,))
        span = yield from chip.send(number, (transfer,), 0, 0, came)
        assert chip.trace.end_ps[span] == env.now_ps
        shares = chip.trace.critical_path_ps(span, tuple("abcdef"))
        assert sum(shares.values()) == env.now_ps
        ends[number] = env.now_ps

    for number, packet in enumerate(packets):
        env.process(send(number, *packet))
    env.run()
    return ends, chip


@pytest.mark.parametrize(
    ("source", "destination", "hops"),
    [(0, 1, 1), (0, 3, 2), (None, 0, 1), (None, 3, 3), (3, None, 3)],
)
def test_a_lone_packet_takes_its_hops_and_its_length_once(source, destination, hops):
    ends, chip = arrivals(Mesh(4), [(0, source, destination)])
    assert ends == [hops * ROUTER_PS + TAIL_PS]
    assert chip.moved(0, 1) == MovedBits(link_bits=hops * BITS)


def test_two_packets_that_share_no_link_do_not_meet():
    ends, _ = arrivals(Mesh(4), [(0, 0, 3), (0, 3, 0)])  # 0>1>3 and 3>2>0
    assert ends == [2 * ROUTER_PS + TAIL_PS] * 2


def test_a_packet_waits_for_a_link_in_its_way():
    # Both need 1>3. The second has it from 0 to 10; the first's head comes at 2, waits until 10.
    ends, chip = arrivals(Mesh(4), [(0, 0, 3), (0, 1, 3)])
    assert ends == [10 + ROUTER_PS + TAIL_PS, ROUTER_PS + TAIL_PS]
    busy = chip.trace.busy()
    held = {
        (chip.servers[resource].name, start, end)
        for resource, start, end in zip(
            busy.resource.tolist(), busy.start_ps.tolist(), busy.end_ps.tolist(), strict=True
        )
    }
    assert held == {("noc:0>1", 0, 10), ("noc:1>3", 0, 10), ("noc:1>3", 10, 20)}


def test_a_waiting_packet_does_not_block_the_link_behind_it():
    # The first waits for 1>3 until 10, but leaves 0>1 at 10 as if it had not; the third follows.
    ends, _ = arrivals(Mesh(4), [(0, 0, 3), (0, 1, 3), (0, 0, 1)])
    assert ends == [22, 12, 10 + ROUTER_PS + TAIL_PS]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_packets_on_one_bus_follow_each_other(count):
    packets: list[tuple[int, Place, Place]] = [(0, n, (n + 1) % 5) for n in range(count)]
    ends, _ = arrivals(Bus(5), packets)
    assert ends == [n * TAIL_PS + ROUTER_PS + TAIL_PS for n in range(count)]


def test_packets_sent_at_once_are_waited_for_together():
    env = ReplayEnvironment()
    chip = Chip(env, times(link_rate=1000.0, router_ps=2), Mesh(4), 1)
    ends = []

    def send():
        transfers = (Transfer(0, 1, (5,)), Transfer(0, 2, (9,)), Transfer(0, 3, (0,)))
        span = yield from chip.send(0, transfers, 0, 0, START)
        ends.append((env.now_ps, chip.trace.end_ps[span]))

    env.process(send())
    env.run()
    assert ends == [(9 + 2, 9 + 2)]
    assert chip.moved(0, 1).link_bits == 14


def test_a_port_serves_reads_and_writes_in_turn_and_counts_both():
    env = ReplayEnvironment()
    chip = Chip(env, times(tile_rate=1000.0, global_rate=500.0), Mesh(1), 1)
    seen = []

    def use():
        uses = (PortUse(0, (7,)), PortUse(None, (5,)))
        yield from chip.read(0, uses, 0, 0, START)  # 7 ps and, beside it, 10 ps
        seen.append(env.now_ps)

    def write():
        yield from chip.write(0, 0, 4, 0, START)  # after the 7 ps of the read
        seen.append(env.now_ps)
        yield from chip.write(0, None, 3, 0, START)
        seen.append(env.now_ps)
        assert (yield from chip.write(0, None, 0, 0, START)) == START
        assert (yield from chip.read(0, (PortUse(0, (0,)),), 0, 0, START)) == START

    env.process(use())
    env.process(write())
    env.run()
    assert seen == [10, 11, 17]
    assert chip.moved(0, 1) == MovedBits(7, 4, 5, 3, 0)


# ------------------------------------------------------------------------------- off the chip


def in_turn(chip: Chip, *steps: Waits) -> list[int]:
    """Ends of processes that begin together, in the order of their ends."""
    ends: list[int] = []

    def carry(step: Waits):
        span = yield from step
        assert chip.trace.end_ps[span] == chip.env.now_ps
        ends.append(chip.env.now_ps)

    for step in steps:
        chip.env.process(carry(step))
    chip.env.run()
    return ends


def off_chip() -> Chip:
    """Memory at 1 bit per ps, 50 ps away; pins at 1 bit in 2 ps; buffers at 1 bit per ps."""
    service = times(
        tile_rate=1000.0,
        global_rate=1000.0,
        link_rate=1000.0,
        router_ps=2,
        memory_rate=1000.0,
        memory_latency_ps=50,
        io_rate=500.0,
    )
    return Chip(ReplayEnvironment(), service, Mesh(4), 1)


def test_reads_of_the_memory_share_its_channel_but_not_its_latency():
    chip = off_chip()
    use = (PortUse(MEMORY, (7,)),)
    assert in_turn(chip, *(chip.read(0, use, 0, 0, START) for _ in range(3))) == [57, 64, 71]
    assert chip.moved(0, 1) == MovedBits(memory_read_bits=21)
    busy = chip.trace.busy()
    assert (busy.end_ps - busy.start_ps).tolist() == [7, 7, 7]
    assert busy.wait_ps.tolist() == [0, 7, 14]


def test_writes_to_the_memory_take_the_channel_only():
    chip = off_chip()
    assert in_turn(chip, chip.write(0, MEMORY, 9, 0, START)) == [9]
    assert chip.moved(0, 1) == MovedBits(memory_write_bits=9)


def test_what_comes_from_the_memory_enters_the_network_at_the_global_buffer():
    chip = off_chip()
    transfer = (Transfer(MEMORY, 3, (5,)),)
    assert in_turn(chip, chip.send(0, transfer, 0, 0, START)) == [3 * 2 + 5]
    assert chip.servers[0].name == "noc:global_buffer>0"
    assert chip.moved(0, 1) == MovedBits(link_bits=3 * 5)


def test_inputs_arrive_in_the_global_buffer_and_outputs_leave_it():
    chip = off_chip()
    arrive = [chip.arrive(0, Arrival("io", 10), START), chip.arrive(0, Arrival("memory", 6), START)]
    assert in_turn(chip, *arrive) == [20 + 10, 6 + 50 + 6]
    assert in_turn(
        chip, chip.depart(0, 8, 0, chip.trace.span(0, 62, op=0, token=0, kind="noc", cause=START))
    ) == [62 + 8 + 16]
    assert chip.moved(0, 1) == MovedBits(
        global_buffer_read_bits=8,
        global_buffer_write_bits=16,
        memory_read_bits=6,
        io_bits=18,
    )


def test_a_chip_without_memory_or_pins_cannot_use_them():
    chip = Chip(ReplayEnvironment(), times(), Mesh(1), 1)
    with pytest.raises(SimulationError, match=r"'memory', .* describe chip\.memory"):
        in_turn(chip, chip.write(0, MEMORY, 1, 0, START))
    with pytest.raises(SimulationError, match=r"'io', .* describe chip\.io"):
        in_turn(chip, chip.depart(0, 1, 0, START))


def test_equal_inferences_move_equal_amounts():
    chip = off_chip()
    in_turn(chip, chip.write(0, 0, 9, 0, START))
    assert chip.moved(0, 3) == MovedBits(tile_buffer_write_bits=3)
    with pytest.raises(SimulationError, match="2 equal inferences moved 9 bits in all"):
        chip.moved(0, 2)
