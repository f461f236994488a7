"""The event-driven replay of inferences.

Which question this module answers: *when is every token of every operation done, and why not
earlier?*

Inside an operation
    Tokens follow each other through a pipeline of resources, each with a first-come-first-served
    queue: port of the source buffer, links, macros (all blocks of a token read at the same time,
    the slowest row block sets the pace; :mod:`pimsim.timing.macros`), links for partial sums,
    digital unit, port of the destination buffer. A dynamic product first fetches and writes its
    stored operand; with several stored matrices (a batch), each is written when the reads of the
    one before have ended, or while it is read if a second port and spare cells allow.
Between operations
    The dataflow (:mod:`pimsim.timing.gates`) says how early a token may use its operands. Units
    that stream from a product take its tokens one by one, in their listed order. An output that is
    streamed and also stored is stored first. Tile buffers are finite
    (:mod:`pimsim.timing.rooms`).
Between inferences
    Each operation takes up the next inference when it has been fed with the one before and its
    readers have been fed with the one before that, so that at most two inferences' outputs wait.
    They are served in order of arrival at each resource, without priorities.
Begin and end
    Inputs lie in the global buffer, or outside if the chip has pins; an inference ends when all its
    operations have.

Not modelled: units of one kind in larger numbers than one per tile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedOp, MappedWorkload
from pimsim.mapping.movement import topology_of
from pimsim.records import ServiceTimes, Timeline
from pimsim.timing.checks import check_run
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.loading import Programming, loading_ps
from pimsim.timing.macros import MacroTimes
from pimsim.timing.network import Chip
from pimsim.timing.plan import OpPlan, UnitCycles, UnitTiming, declared_unit_cycles
from pimsim.timing.planning import Given, plan_replay
from pimsim.timing.rooms import Buffers
from pimsim.timing.streams import RUN_AHEAD, Arrivals, Run, streams_of
from pimsim.timing.trace import START
from pimsim.units import PS_PER_NS

_BITS_PER_BYTE = 8


@dataclass(frozen=True, slots=True)
class _Options:
    """How to replay."""

    arrivals: Arrivals
    token_group: int
    tie_seed: int | None
    checks: bool

    def check(self) -> None:
        """Raise for numbers that no replay can have."""
        for name, value in (
            ("requests", self.arrivals.requests),
            ("token_group", self.token_group),
        ):
            if value < 1:
                raise SimulationError(f"{name} must be 1 or more, got {value}")
        interval_ps = self.arrivals.interval_ps
        if interval_ps is not None and interval_ps < 0:
            raise SimulationError(f"interval_ps must be 0 or more, got {interval_ps}")


def replay(
    mapped: MappedWorkload,
    service_times: ServiceTimes,
    service_cycles: Mapping[str, NDArray[np.int32]],
    *,
    token_reads: Mapping[str, NDArray[np.int64]] | None = None,
    unit_cycles: UnitTiming | None = None,
    requests: int = 1,
    interval_ps: int | None = None,
    token_group: int = 1,
    tie_seed: int | None = None,
    checks: bool = False,
) -> Timeline:
    """Replay inferences of a mapped workload.

    Parameters
    ----------
    mapped
        Where everything is and what it depends on.
    service_times
        How long each action takes.
    service_cycles
        Product → read cycles of every token on every row block, int (tokens, row blocks); instances
        run in lock-step, so each is the maximum over them.
    token_reads
        Product → reads of every token, summed over macros, int (tokens,), where zero skipping makes
        them differ from the cycles; otherwise every macro of a row block reads in all its cycles.
    unit_cycles
        Clock cycles of the unit of an operation; by default those of the hardware that the
        operation declares.
    requests
        Inferences, one after the other.
    interval_ps
        Time from the arrival of one inference to that of the next. [ps] ``None``: each begins when
        the first operations can take it.
    token_group
        Tokens that move through the replay together: fewer events, less exact; 1 is exact.
    tie_seed
        Draw the order of simultaneous events at random; for tests of what depends on it.
    checks
        Also check that no work is lost or done twice, that queues are served in order, that no
        resource rests while somebody waits, and Little's law.

    Returns
    -------
    Timeline
        Busy intervals, latency, its exclusive shares along the critical path, and reads and moved
        bits of one inference as counted here.

    Raises
    ------
    SimulationError
        If cycles or times are missing, misshapen or contradict each other, if the replay runs out
        of events with work left (then with the simulated time, what each operation waits for, and
        the buffers that are full), or if a check fails.
    """

    def declared(mapped_op: MappedOp) -> UnitCycles:
        return declared_unit_cycles(mapped_op, mapped.architecture)

    options = _Options(Arrivals(requests, interval_ps), token_group, tie_seed, checks)
    options.check()
    given = Given(
        mapped,
        service_times,
        service_cycles,
        MappingProxyType({}) if token_reads is None else token_reads,
        unit_cycles or declared,
    )
    plans = plan_replay(given, token_group)
    run = _run(given, plans, options)
    _check_finished(run, token_group)
    if checks:
        check_run(run)
    return _timeline(run, given, options)


def _run(given: Given, plans: tuple[OpPlan, ...], options: _Options) -> Run:
    """Replay until nothing is left to happen."""
    architecture, times = given.mapped.architecture, given.times
    env = ReplayEnvironment(options.tie_seed)
    requests = options.arrivals.requests
    buffers = Buffers(
        env,
        streams_of(plans),
        capacity_bits=architecture.tile.buffer.capacity_bytes * _BITS_PER_BYTE,
        by_step=architecture.mapping.dataflow != "layer_by_layer",
        inferences=min(requests, RUN_AHEAD),
    )
    kinds = {plan.macros.kind for plan in plans if plan.macros is not None}
    run = Run(
        Chip(env, times, topology_of(architecture), len(plans)),
        plans,
        buffers=buffers,
        programming=Programming(given.mapped, times, plans, requests),
        arrivals=options.arrivals,
        macro_times={kind: MacroTimes(times, kind) for kind in kinds},
    )
    run.start(watched=options.checks)
    env.run()
    return run


def _timeline(run: Run, given: Given, options: _Options) -> Timeline:
    trace, plans, requests = run.trace, run.plans, options.arrivals.requests
    names = tuple(plan.name for plan in plans)
    ends = [
        trace.latest([START, *(progress.ends[-1] for progress in done)]) for done in run.progress
    ]
    busy, path, count = trace.busy(), trace.path(ends[0]), max(len(plans), 1)
    return Timeline(
        resources=tuple(server.name for server in run.chip.servers),
        resource_classes=tuple(server.kind for server in run.chip.servers),
        ops=names,
        start_ps=busy.start_ps,
        end_ps=busy.end_ps,
        resource=busy.resource,
        op=busy.op % count,
        token=busy.token,
        latency_ps=trace.end_ps[ends[0]],
        critical_path_ps=path.shares_ps(names * requests),
        reads={
            plan.name: run.reads[plan.index] // requests
            for plan in plans
            if plan.macros is not None
        },
        writes={
            plan.name: run.writes[plan.index] // requests
            for plan in plans
            if plan.macros is not None and plan.macros.stored is not None
        },
        moved={plan.name: run.chip.moved(plan.index, requests) for plan in plans},
        events=run.env.events,
        wait_ps=busy.wait_ps,
        request=busy.op // count,
        request_start_ps=tuple(run.arrival_ps(request) for request in range(requests)),
        request_end_ps=tuple(trace.end_ps[end] for end in ends),
        loading_ps=loading_ps(given.mapped, given.times),
        reprogramming_ps=run.programming.first_ps,
        token_group=options.token_group,
        path_end_ps=path.end_ps,
        path_op=path.op % count,
        path_resource=path.resource,
        path_class=path.kind,
    )


def _check_finished(run: Run, token_group: int) -> None:
    """Raise unless every operation of every inference has finished.

    Raises
    ------
    SimulationError
        With the time, the operations left of the oldest inference and what they wait for, and the
        buffers in which somebody waits for room.
    """
    unfinished = (
        (request, {plan.name: plan for plan in run.plans if done[plan.index].done < plan.steps})
        for request, done in enumerate(run.progress)
    )
    request, waiting = next((found for found in unfinished if found[1]), (0, {}))
    if not waiting:
        return
    reasons = []
    for name, plan in waiting.items():
        missing = [repr(needed) for needed in plan.depends_on if needed in waiting]
        reasons.append(f"{name!r} waits for {', '.join(missing) or 'its stream'}")
    held = [
        f"tile_buffer:{tile} holds {room.used_bits} of {room.capacity_bits} bits while "
        f"{' and '.join(map(str, room.wanted_bits))} more are wanted"
        for tile, room in run.buffers.rooms.items()
        if room.wanted_bits
    ]
    remedy = "Raise tile.buffer.capacity_bytes, or choose another mapping.dataflow."
    if token_group > 1:
        remedy = f"Choose a token_group smaller than {token_group}, which takes less room. {remedy}"
    of_request = f" of inference {request + 1}" if run.arrivals.requests > 1 else ""
    raise SimulationError(
        f"the replay ran out of events at {run.env.now_ps / PS_PER_NS:g} ns with {len(waiting)} of "
        f"{len(run.plans)} operations{of_request} unfinished: {'; '.join([*reasons, *held])}"
        + (f"\n  {remedy}" if held else "")
    )
