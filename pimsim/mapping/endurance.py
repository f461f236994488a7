"""How long cells last when macros are programmed again in every inference.

Which question this module answers: *how often is a cell programmed, and when is it worn out?*

Programming wears non-volatile cells: they survive ``reprogram.endurance_cycles`` programmings. A
macro that is used in ``n`` rounds is programmed ``n`` times per inference. Nothing is programmed
during an inference while all weights are resident.

Not modelled: levelling the wear between macros, and the spread of endurance among cells.
"""

from typing import Final

from pimsim.mapping.mapped import MappedWorkload

SECONDS_PER_YEAR: Final = 365.25 * 24 * 3600
"""A Julian year. [s]"""


def programmings_per_inference(mapped: MappedWorkload) -> dict[str, int]:
    """Kind of macro → how often the busiest one is programmed with static weights."""
    if mapped.rounds == 1:
        return {}
    rounds: dict[str, dict[tuple[int, int], set[int]]] = {}
    for op in mapped.ops:
        if op.placement is None or op.op.kind != "static_product":
            continue
        seats = rounds.setdefault(op.placement.macro, {})
        for block in op.placement.all_blocks:
            seats.setdefault((block.tile, block.macro), set()).add(op.round)
    return {kind: max(len(found) for found in seats.values()) for kind, seats in rounds.items()}


def endurance_inferences(mapped: MappedWorkload) -> dict[str, int]:
    """Kind of macro → inferences until its busiest cells are worn out; absent: they are not."""
    macros = mapped.architecture.macros
    lasting = {}
    for kind, count in programmings_per_inference(mapped).items():
        reprogram = macros[kind].reprogram
        if reprogram is not None and reprogram.endurance_cycles is not None:
            lasting[kind] = reprogram.endurance_cycles // count
    return lasting


def endurance_years(mapped: MappedWorkload, inferences_per_s: float) -> dict[str, float]:
    """Kind of macro → years until its busiest cells are worn out; absent: they are not.

    Parameters
    ----------
    mapped
        Where the weights are.
    inferences_per_s
        Inferences run without a pause at this rate.

    Raises
    ------
    ValueError
        If the rate is not positive.
    """
    if not inferences_per_s > 0:
        raise ValueError(f"inferences_per_s must be positive, got {inferences_per_s}")
    return {
        kind: inferences / inferences_per_s / SECONDS_PER_YEAR
        for kind, inferences in endurance_inferences(mapped).items()
    }
