"""The order of simultaneous events: as scheduled, or shuffled by a seed."""

import gc

import pytest

from pimsim.timing.environment import ReplayEnvironment


def order(tie_seed: int | None) -> list[tuple[int, int]]:
    """What happens when 8 processes each wait 5 ps three times."""
    env, seen = ReplayEnvironment(tie_seed), []

    def process(number: int):
        for _ in range(3):
            yield env.timeout(5)
            seen.append((env.now_ps, number))

    for number in range(8):
        env.process(process(number))
    env.run()
    # start and end of each process, and its three waits
    assert env.events == 8 * (1 + 3 + 1)
    return seen


def test_simultaneous_events_keep_their_order():
    assert order(None) == [(time, number) for time in (5, 10, 15) for number in range(8)]


def test_a_seed_shuffles_simultaneous_events_only():
    shuffled = order(1)
    assert shuffled != order(None)
    assert sorted(shuffled) == order(None)
    assert [time for time, _ in shuffled] == sorted(time for time, _ in shuffled)


def test_the_same_seed_gives_the_same_order():
    assert order(3) == order(3)
    assert order(3) != order(4)


def test_the_garbage_collector_is_as_before_after_a_run_and_after_an_error():
    def failing(env: ReplayEnvironment):
        yield env.timeout(1)
        assert not gc.isenabled()
        raise ValueError("inside")

    env = ReplayEnvironment()
    env.process(failing(env))
    with pytest.raises(ValueError, match="inside"):
        env.run()
    assert gc.isenabled()


def test_a_run_until_a_time_stops_there():
    env = ReplayEnvironment()
    env.timeout(3)
    env.timeout(9)
    env.run(until=5)
    assert env.now_ps == 5
    env.run()
    assert env.now_ps == 9
