"""What is in the macros when: all at once, in rounds of reprogramming, or in passes.

Which question this module answers: *does the workload fit the macros, and if not, what is done?*

1. Everything fits: every matrix has macros of its own, once and for all.
2. The static weights do not fit, and ``mapping.time_multiplex`` allows it: the operations are cut,
   in execution order, into *rounds*; each round starts from empty macros, whose weights come out of
   the off-chip memory in every inference. The cut is made as late as possible each time, which
   gives the fewest rounds. Operands written at run time are placed round by round too.
3. The static weights fit, but the operands written at run time do not, and the chip has an off-chip
   memory: every such product gets macros in proportion to its size, and works in *passes*, writing
   one part of its operand after another into the same macros. Until its pass the operand lies in
   the memory.
4. Anything else is a :class:`~pimsim.errors.MappingError` with the numbers and the remedies.

Caches of earlier tokens (of a decoding step) stay in macros of their own as long as all caches do.
If they do not fit, they live in the memory, and are written anew in each step.

Not modelled: a matrix that is cut between two rounds, and macros that two products written at run
time share within one round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.products import Product
from pimsim.mapping.widths import narrowed


@dataclass(frozen=True, slots=True)
class Demand:
    """What one product wants of one kind of macro."""

    product: Product
    kind: str
    blocks: int
    """Macros that the stored operand fills."""
    resident: bool = False
    """A part of the operand stays in the macros from one inference to the next."""
    round: int = 0
    macros: int | None = None
    """Macros that it gets; fewer than blocks means passes. ``None``: as many as blocks."""

    @property
    def seats(self) -> int:
        """Macros that it occupies."""
        return self.blocks if self.macros is None else min(self.macros, self.blocks)

    @property
    def static(self) -> bool:
        """Whether the operand is there before the inference."""
        return self.product.operand == "static"


Resolve = Callable[[Demand], Demand]
"""The same demand with its cache in the memory."""


def settle(
    demands: Sequence[Demand], architecture: Architecture, evicted: Resolve
) -> tuple[Demand, ...]:
    """Decide rounds, passes and where caches live.

    Parameters
    ----------
    demands
        Of all products, in execution order.
    architecture
        The chip.
    evicted
        What a product demands whose cache lives in the memory.

    Raises
    ------
    MappingError
        If the chip is too small: for which operation, how many macros are needed, present and
        free, and which keys would help.
    """
    present = _present(demands, architecture)
    if _fits(_sums(demands), present):
        return tuple(demands)
    static = _sums(demand for demand in demands if demand.static)
    if not _fits(static, present):
        _check_multiplexing(demands, architecture, present, static)
        return _in_rounds(demands, architecture, present, evicted)
    if architecture.chip.memory is None:
        raise _too_small(demands, architecture, present)
    moved = tuple(evicted(demand) if demand.resident else demand for demand in demands)
    return _in_passes(moved, architecture, present, static)


def _present(demands: Iterable[Demand], architecture: Architecture) -> dict[str, int]:
    """Macros of each kind that something wants."""
    return {
        demand.kind: architecture.chip.tiles * architecture.tile.macros[demand.kind]
        for demand in demands
    }


def _sums(demands: Iterable[Demand]) -> dict[str, int]:
    """Macros that are occupied at the same time, by kind."""
    sums: dict[str, int] = {}
    for demand in demands:
        sums[demand.kind] = sums.get(demand.kind, 0) + demand.seats
    return sums


def _fits(wanted: Mapping[str, int], present: Mapping[str, int]) -> bool:
    return all(count <= present[kind] for kind, count in wanted.items())


def _in_passes(
    demands: tuple[Demand, ...],
    architecture: Architecture,
    present: Mapping[str, int],
    static: Mapping[str, int],
) -> tuple[Demand, ...]:
    """Share what static weights leave among the operands written at run time."""
    if _fits(_sums(demands), present):
        return demands
    wanted = _sums(demand for demand in demands if not demand.static)
    settled = []
    for demand in demands:
        free = present[demand.kind] - static.get(demand.kind, 0)
        if demand.static or wanted[demand.kind] <= free:
            settled.append(demand)
        else:
            # Rounded down, so that the sum fits; what that leaves free is at most one a product.
            share = max(1, free * demand.blocks // wanted[demand.kind])
            settled.append(replace(demand, macros=share))
    if not _fits(_sums(settled), present):  # more products than macros
        raise _too_small(demands, architecture, present)
    return tuple(settled)


def _in_rounds(
    demands: Sequence[Demand],
    architecture: Architecture,
    present: Mapping[str, int],
    evicted: Resolve,
) -> tuple[Demand, ...]:
    """Cut the operations into as few rounds as possible."""
    kept = _sums(demand for demand in demands if demand.resident)
    largest: dict[str, int] = {}
    for demand in demands:
        if not demand.resident:
            largest[demand.kind] = max(largest.get(demand.kind, 0), demand.blocks)
    if any(kept[kind] + largest.get(kind, 0) > present[kind] for kind in kept):
        demands, kept = [evicted(d) if d.resident else d for d in demands], {}
    settled, used, number = [], dict(kept), 0
    for demand in demands:
        if demand.resident:  # in macros that no round empties
            settled.append(replace(demand, round=number))
            continue
        room = present[demand.kind] - kept.get(demand.kind, 0)
        if demand.blocks > room:
            if demand.static:
                raise _matrix_too_large(demand, architecture, room)
            demand = replace(demand, macros=room)  # noqa: PLW2901  (the same demand, in passes)
        if used.get(demand.kind, 0) + demand.seats > present[demand.kind]:
            number, used = number + 1, dict(kept)
        used[demand.kind] = used.get(demand.kind, 0) + demand.seats
        settled.append(replace(demand, round=number))
    return tuple(settled)


def _check_multiplexing(
    demands: Sequence[Demand],
    architecture: Architecture,
    present: Mapping[str, int],
    static: Mapping[str, int],
) -> None:
    """Raise unless macros may and can be reprogrammed during an inference."""
    if not architecture.mapping.time_multiplex:
        raise _too_small(demands, architecture, present)
    kinds = [kind for kind, count in static.items() if count > present[kind]]
    for kind in kinds:
        numbers = (
            f"the static weights need {static[kind]} {kind!r} macros, {present[kind]} are present, "
            f"and mapping.time_multiplex is true"
        )
        if architecture.macros[kind].reprogram is None:
            raise MappingError(
                f"{numbers}, but architecture {architecture.name!r} does not say how long "
                f"programming takes.\n  Give macros.{kind}.reprogram with row_time_ns, or "
                f"{_larger(kind, static[kind], architecture)}."
            )
        if architecture.chip.memory is None:
            raise MappingError(
                f"{numbers}, but the weights of the other rounds have nowhere to come from: "
                f"architecture {architecture.name!r} has no off-chip memory.\n"
                f"  Give chip.memory with technology, capacity_bytes, bandwidth_bits_per_ns and "
                f"latency_ns, or {_larger(kind, static[kind], architecture)}."
            )


def _larger(kind: str, needed: int, architecture: Architecture) -> str:
    tiles, per_tile = architecture.chip.tiles, architecture.tile.macros[kind]
    return (
        f"raise chip.tiles to at least {-(-needed // per_tile)}, or tile.macros.{kind} to at "
        f"least {-(-needed // tiles)}"
    )


def _too_small(
    demands: Sequence[Demand], architecture: Architecture, present: Mapping[str, int]
) -> MappingError:
    """For the first operation, in execution order, that finds too few macros free."""
    needed, used = _sums(demands), dict.fromkeys(present, 0)
    for demand in demands:
        if used[demand.kind] + demand.blocks > present[demand.kind]:
            break
        used[demand.kind] += demand.blocks
    kind, product = demand.kind, demand.product
    free = present[kind] - used[kind]
    return MappingError(
        f"{_wants(demand, architecture)}\n"
        f"  but {free} are free on architecture {architecture.name!r} "
        f"(tiles: {architecture.chip.tiles}, {kind!r} macros per tile: "
        f"{architecture.tile.macros[kind]}, used: {used[kind]}).\n"
        f"  The whole workload needs {needed[kind]}, {present[kind]} are present: "
        f"{_larger(kind, needed[kind], architecture)}; "
        f"{_multiplexing_remedy(kind, architecture, static=product.operand == 'static')}."
    )


def _multiplexing_remedy(kind: str, architecture: Architecture, *, static: bool) -> str:
    if not static:
        return "with chip.memory, operands that do not fit are written in several passes"
    keys = []
    if architecture.macros[kind].reprogram is None:
        keys.append(f"macros.{kind}.reprogram")
    if architecture.chip.memory is None:
        keys.append("chip.memory")
    given = f" (give {' and '.join(keys)} as well)" if keys else ""
    return f"or set mapping.time_multiplex to true{given}: macros are then reprogrammed in rounds"


def _matrix_too_large(demand: Demand, architecture: Architecture, room: int) -> MappingError:
    return MappingError(
        f"{_wants(demand, architecture)}\n"
        f"  but even an empty architecture {architecture.name!r} has room for {room}, and a matrix "
        "is not cut between rounds.\n"
        f"  To hold it, {_larger(demand.kind, demand.blocks, architecture)}."
    )


def _wants(demand: Demand, architecture: Architecture) -> str:
    product, kind = demand.product, demand.kind
    macro = architecture.macros[kind]
    slices = narrowed(macro, stored_bits=product.stored_bits).slices
    matrices = "" if product.instances == 1 else f" x {product.instances} instances"
    what = "weights" if demand.static else "operand written at run time"
    if demand.resident:
        what = "cache of earlier tokens, which stays in its macros, and the new one"
    return (
        f"op {product.op.name!r} needs {demand.blocks} {kind!r} macros of "
        f"{macro.crossbar.rows}x{macro.crossbar.cols} cells ({what}: "
        f"{product.rows}x{product.cols}{matrices}, {slices} slices)"
    )
