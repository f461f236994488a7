"""What must hold in every replay, whatever was replayed.

Which question this module answers: *has the replay lost work, done it twice, or let somebody wait
for a resource that was free?*

Work
    Every resource class was busy for each operation exactly as long as its plan says.
Queues
    No resource serves two customers at once, customers are served in the order in which they came,
    and whoever waited was served the moment the one before had been.
Little's law
    The steps inside every stream, counted by the clock, agree with the times that the trace says
    they spent there.
"""

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import SimulationError
from pimsim.timing.plan import OpPlan
from pimsim.timing.streams import Run
from pimsim.timing.trace import BusyIntervals


def check_run(run: Run) -> None:
    """Check a finished replay.

    Raises
    ------
    SimulationError
        With what does not hold, and where. It is a bug of ours.
    """
    busy = run.trace.busy()
    _check_queues(run, busy)
    _check_work(run, busy)
    _check_littles_law(run)


def _check_queues(run: Run, busy: BusyIntervals) -> None:
    order = np.lexsort((busy.start_ps, busy.resource))
    resource = busy.resource[order]
    start, end, wait = busy.start_ps[order], busy.end_ps[order], busy.wait_ps[order]
    same = resource[1:] == resource[:-1]
    arrival = start - wait
    found = {
        "serves two customers at once": same & (start[1:] < end[:-1]),
        "serves a later customer first": same & (arrival[1:] < arrival[:-1]),
        "rests while a customer waits": same & (wait[1:] > 0) & (start[1:] != end[:-1]),
    }
    for what, wrong in found.items():
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0]) + 1
            name = run.chip.servers[int(resource[at])].name
            raise _bug(f"resource {name!r} {what} at {int(start[at])} ps")
    if (wait < 0).any():
        raise _bug("a customer waits for less than no time")


def _check_work(run: Run, busy: BusyIntervals) -> None:
    kinds = [server.kind for server in run.chip.servers]
    for kind, wanted in _planned(run).items():
        of_kind = np.array([each == kind for each in kinds], dtype=np.bool_)
        spent = _spent(busy, of_kind, len(run.plans))
        for plan in run.plans:
            if spent[plan.index] != wanted[plan.index]:
                raise _bug(
                    f"op {plan.name!r} keeps {kind!r} busy for {spent[plan.index]} ps, its plan "
                    f"for {wanted[plan.index]} ps"
                )


def _spent(busy: BusyIntervals, of_kind: NDArray[np.bool_], ops: int) -> list[int]:
    """Busy time of each operation in the resources of one class."""
    mine = of_kind[busy.resource] if of_kind.size else np.zeros(0, np.bool_)
    spent = np.zeros(ops, np.int64)
    np.add.at(spent, busy.op[mine] % max(ops, 1), (busy.end_ps - busy.start_ps)[mine])
    return spent.tolist()


def _planned(run: Run) -> dict[str, list[int]]:
    """Resource class → time that each operation needs of it, over all inferences."""
    needs = [_needed(run, plan) for plan in run.plans]
    classes = ("macro", "adc", "shift_add", "write", "vector_unit")
    requests = run.arrivals.requests
    return {kind: [requests * need.get(kind, 0) for need in needs] for kind in classes}


def _needed(run: Run, plan: OpPlan) -> dict[str, int]:
    need: dict[str, int] = {}
    if plan.unit is not None:
        need["vector_unit"] = sum(plan.unit.step_ps)
    work = plan.macros
    if work is not None:
        times = run.macro_times[work.kind]
        reads, vectors = sum(work.reads), sum(plan.tokens)
        need["macro"] = times.drive.service_ps(reads)
        need["adc"] = times.convert.service_ps(reads)
        need["shift_add"] = times.shift_add.service_ps(vectors) + times.accumulate.service_ps(
            vectors * work.additions
        )
        if work.stored is not None:
            need["write"] = sum(work.stored.write_ps)
    return need


def _check_littles_law(run: Run) -> None:
    for stream, population in zip(run.streams, run.populations or (), strict=False):
        if population.inside or population.inside_ps != population.spent_ps:
            raise _bug(
                f"stream {stream[0].name!r}: {population.inside} steps inside at the end, "
                f"{population.inside_ps} ps by the clock, {population.spent_ps} ps by the trace"
            )


def _bug(what: str) -> SimulationError:
    return SimulationError(f"check of the replay: {what}; please report this")
