"""A server equals a queue of requests, and the critical path accounts for every picosecond."""

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from pimsim.timing.trace import START, Server, Trace

customers = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=20)


def served_by_simpy(jobs: list[tuple[int, int]]) -> list[int]:
    """Ends of service of a SimPy resource of capacity 1: arrivals and service times given."""
    env = simpy.Environment()
    resource, ends = simpy.Resource(env, capacity=1), [0] * len(jobs)

    def customer(number: int, arrival: int, service: int):
        yield env.timeout(arrival)
        with resource.request() as request:
            yield request
            yield env.timeout(service)
            ends[number] = int(env.now)

    for number, (arrival, service) in enumerate(jobs):
        env.process(customer(number, arrival, service))
    env.run()
    return ends


@given(jobs=customers)
def test_a_server_equals_a_simpy_resource(jobs):
    jobs = sorted(jobs, key=lambda job: job[0])
    trace = Trace()
    server = Server("port", "noc", 0, trace)
    ends = []
    for token, (arrival, service) in enumerate(jobs):
        came = trace.span(0, arrival, op=0, token=token, kind="way", cause=START)
        span = server.occupy(arrival, service, op=0, token=token, cause=came)
        ends.append(trace.end_ps[span])
    assert ends == served_by_simpy(jobs)
    last = trace.latest(range(len(trace.end_ps)))
    shares = trace.critical_path_ps(last, ("op",))
    assert sum(shares.values()) == max(ends)
    assert set(shares) <= {"op|noc", "op|way"}


def test_the_path_goes_through_the_customer_that_was_waited_for():
    trace = Trace()
    server = Server("port", "noc", 0, trace)
    first = server.occupy(0, 10, op=0, token=0, cause=START)
    way = trace.span(0, 4, op=1, token=0, kind="macro", cause=START)
    second = server.occupy(4, 5, op=1, token=0, cause=way)
    assert trace.critical_path_ps(second, ("a", "b")) == {"a|noc": 10, "b|noc": 5}
    assert trace.cause(second) == first
    idle = trace.span(15, 40, op=0, token=1, kind="macro", cause=second)
    third = server.occupy(40, 1, op=0, token=1, cause=idle)
    assert trace.critical_path_ps(third, ("a", "b")) == {
        "a|noc": 10 + 1,
        "b|noc": 5,
        "a|macro": 25,
    }


def test_busy_intervals_are_sorted_and_leave_out_delays_and_empty_ones():
    trace = Trace()
    late, early = Server("late", "noc", 0, trace), Server("early", "macro", 1, trace)
    late.occupy(7, 3, op=0, token=0, cause=START)
    early.occupy(2, 4, op=1, token=5, cause=START)
    early.occupy(9, 0, op=1, token=6, cause=START)
    trace.span(0, 99, op=0, token=0, kind="noc", cause=START)
    early.occupy(7, 1, op=0, token=0, cause=START)
    busy = trace.busy()
    assert busy.start_ps.tolist() == [2, 7, 9]
    assert busy.end_ps.tolist() == [6, 10, 10]
    assert busy.resource.tolist() == [1, 0, 1]
    assert busy.op.tolist() == [1, 0, 0]
    assert busy.token.tolist() == [5, 0, 0]
    assert busy.start_ps.dtype == np.int64


def test_a_span_that_does_not_follow_its_cause_is_a_bug_of_ours():
    trace = Trace()
    before = trace.span(0, 5, op=0, token=0, kind="noc", cause=START)
    after = trace.span(6, 7, op=0, token=0, kind="noc", cause=before)
    with pytest.raises(AssertionError, match="must begin as its cause ends"):
        trace.critical_path_ps(after, ("a",))
