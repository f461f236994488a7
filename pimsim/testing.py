"""Contract checks that any model of pimsim, also one of a plug-in, must pass.

Which question this module answers: *does my unit behave as the passes expect?*

Call the check from a test of your own; it raises ``AssertionError`` with what was violated.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pimsim.integer import IntegerUnit
    from pimsim.mapping.traffic import Port, Topology
    from pimsim.timing.service import TimingUnit

__all__ = ["check_integer_unit", "check_timing_unit", "check_topology"]

_LANES = 8
_AMOUNTS = (1, 2, 3, 7, 64, 1000, 1001, 123_457)
_TILES = (1, 2, 5, 9)


def check_integer_unit(unit: "IntegerUnit", *operands: np.ndarray) -> None:
    """Check the contract of an integer unit on sample operands.

    The unit must take signed integers and refuse floats; return signed integers of the operands'
    shape and a count of saturations; leave its operands alone; give the same result again, and for
    each row the result it gives for that row alone; and declare hardware whose operations are
    positive, whose cycles never fall with the row's length, and which refuses rows that are empty
    or longer than its maximum.

    Parameters
    ----------
    unit
        The unit.
    *operands
        One array for each operand, of one shape ``(rows, length)``, with two rows or more.

    Raises
    ------
    ValueError
        If the sample operands cannot test the contract.
    AssertionError
        If the unit violates it.

    Examples
    --------
    >>> from pimsim.integer import IBertGelu
    >>> codes = np.arange(-8, 8, dtype=np.int16).reshape(2, 8)
    >>> check_integer_unit(IBertGelu(q_clip=2501, q_c=6925207, input_bits=16), codes)
    """
    shapes = {operand.shape for operand in operands}
    if len(shapes) != 1 or any(len(shape) != 2 or shape[0] < 2 for shape in shapes):
        raise ValueError(
            f"operands must share one shape (rows, length) with two rows or more, got {shapes}"
        )
    _require(isinstance(unit.name, str) and bool(unit.name), "it has no name")
    _check_integers(unit, operands)
    _check_rows(unit, operands)
    _check_hardware(unit, operands[0].shape[1])


def check_timing_unit(unit: "TimingUnit") -> None:
    """Check the contract of something with a declared service time.

    The unit must name its resource class; give whole picoseconds, none for no work, never fewer for
    more work, and never more for two portions together than one after the other, so that cutting
    work into pieces gains nothing; give the same time again; and declare a whole latency of 0 or
    more.

    Parameters
    ----------
    unit
        The unit.

    Raises
    ------
    AssertionError
        If the unit violates it.

    Examples
    --------
    >>> from pimsim.timing.service import Channel
    >>> check_timing_unit(Channel("noc", bits_per_ns=128.0, latency_ps=2000))
    """

    def require(violation: str, *, holds: bool) -> None:
        _require(holds, violation, contract="timing unit")

    require("it names no resource class", holds=isinstance(unit.kind, str) and bool(unit.kind))
    latency = unit.latency_ps
    require(
        f"its latency is {latency!r}, not a whole number of ps, 0 or more",
        holds=type(latency) is int and latency >= 0,
    )
    times = {amount: unit.service_ps(amount) for amount in (0, *_AMOUNTS)}
    for amount, time in times.items():
        require(
            f"{amount} take {time!r}, not a whole number of ps, 0 or more",
            holds=type(time) is int and time >= 0,
        )
    require(f"no work takes {times[0]} ps", holds=times[0] == 0)
    for less, more in pairwise(times):
        require(
            f"{more} take less time than {less}, {times[more]} ps instead of {times[less]} ps",
            holds=times[less] <= times[more],
        )
    for one in _AMOUNTS:
        for other in _AMOUNTS:
            together, apart = unit.service_ps(one + other), times[one] + times[other]
            require(
                f"{one} and {other} take {together} ps together but {apart} ps apart",
                holds=together <= apart,
            )
    require(
        "the same amount takes another time the second time",
        holds=all(unit.service_ps(amount) == time for amount, time in times.items()),
    )


def check_topology(model: "type[Topology]") -> None:
    """Check the contract of a network on chip.

    Between any two ports, tiles and the global buffer, a network must give a route of named links,
    the same one every time, without links twice, and without any if both ports are the same.

    Parameters
    ----------
    model
        The class, as the registry names it.

    Raises
    ------
    AssertionError
        If a route violates it.

    Examples
    --------
    >>> from pimsim.timing.noc import Mesh
    >>> check_topology(Mesh)
    """
    for tiles in _TILES:
        network = model(tiles)
        ports: list[Port] = [None, *range(tiles)]
        for source in ports:
            for destination in ports:
                _check_route(network, source, destination)


def _check_route(network: "Topology", source: "Port", destination: "Port") -> None:
    route = network.route(source, destination)
    way = f"the route from {source} to {destination} is {route!r}"
    named = isinstance(route, tuple) and all(isinstance(link, str) and link for link in route)
    _require(named, f"{way}, not a tuple of names", contract="network")
    _require(len(set(route)) == len(route), f"{way}: a link twice", contract="network")
    _require(
        bool(route) != (source == destination),
        f"{way}, but only a port and itself are joined by no link",
        contract="network",
    )
    again = network.route(source, destination)
    _require(route == again, f"{way}, then {again!r}", contract="network")


def _check_integers(unit: "IntegerUnit", operands: tuple[np.ndarray, ...]) -> None:
    originals = [operand.copy() for operand in operands]
    values, saturations = unit(*operands)
    _require(
        all(np.array_equal(*pair) for pair in zip(operands, originals, strict=True)),
        "it changes its operands",
    )
    _require(np.issubdtype(values.dtype, np.signedinteger), f"its result is of type {values.dtype}")
    _require(
        values.shape == operands[0].shape,
        f"its result has shape {values.shape} for operands of shape {operands[0].shape}",
    )
    _require(
        type(saturations) is int and 0 <= saturations <= values.size,
        f"its saturations are {saturations!r}, not a count of elements",
    )
    for position in range(len(operands)):
        floats = [*operands]
        floats[position] = operands[position].astype(np.float64)
        try:
            unit(*floats)
        except TypeError:
            continue
        _require(False, f"it takes a float as operand {position}, where a TypeError is due")


def _check_rows(unit: "IntegerUnit", operands: tuple[np.ndarray, ...]) -> None:
    values, saturations = unit(*operands)
    again = unit(*operands)
    _require(
        np.array_equal(values, again.values) and saturations == again.saturations,
        "the same operands give another result the second time",
    )
    alone = [
        unit(*(operand[row : row + 1] for operand in operands)) for row in range(values.shape[0])
    ]
    _require(
        np.array_equal(values, np.concatenate([output.values for output in alone])),
        "a row's result depends on the other rows",
    )
    _require(
        saturations == sum(output.saturations for output in alone),
        "its saturations are not the sum over rows",
    )


def _check_hardware(unit: "IntegerUnit", length: int) -> None:
    hardware = unit.hardware
    counts = hardware.operations(length)
    _require(bool(counts), "it declares no operation")
    _require(
        all(count > 0 and operation.width_bits > 0 for operation, count in counts.items()),
        f"it declares operations that are not positive: {counts}",
    )
    maximum = hardware.maximum_row_length
    lengths = range(1, min(8 * _LANES, maximum or 8 * _LANES) + 1)
    cycles = [hardware.cycles_per_row(size, _LANES) for size in lengths]
    _require(cycles[0] > 0, f"a row of one element takes {cycles[0]} cycles")
    _require(cycles == sorted(cycles), "its cycles fall where the row grows")
    for refused in (0,) if maximum is None else (0, maximum + 1):
        try:
            hardware.cycles_per_row(refused, _LANES)
        except ValueError:
            continue
        _require(False, f"it takes rows of {refused} elements, where a ModelRangeError is due")


def _require(holds: bool, violation: str, *, contract: str = "integer unit") -> None:
    if not holds:
        raise AssertionError(f"{contract} contract: {violation}")
