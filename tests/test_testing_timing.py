"""The contract checks of timing units and networks catch each violation they name."""

from typing import Any

import pytest

from pimsim.testing import check_timing_unit, check_topology


class Pump:
    """A unit that keeps the contract; each violation below changes one thing."""

    kind = "pump"
    latency_ps = 5

    def service_ps(self, amount: int) -> int:
        return 3 * amount


def pump(**changes: Any) -> Pump:
    return type("Broken", (Pump,), changes)()


class Forgetful(Pump):
    """Takes longer every time."""

    def __init__(self) -> None:
        self.asked = 0

    def service_ps(self, amount: int) -> int:
        self.asked += 1
        return 3 * amount + (self.asked > 80 if amount else 0)


def test_a_unit_that_keeps_the_contract_passes():
    check_timing_unit(Pump())
    check_timing_unit(pump(latency_ps=0, service_ps=lambda self, amount: min(amount, 1) * 7))


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (pump(kind=""), "timing unit contract: it names no resource class"),
        (pump(kind=None), "names no resource class"),
        (pump(latency_ps=-1), "its latency is -1"),
        (pump(latency_ps=2.0), r"its latency is 2\.0"),
        (pump(service_ps=lambda self, amount: 1 + amount), "no work takes 1 ps"),
        (pump(service_ps=lambda self, amount: -amount), "take -1, not a whole number"),
        (pump(service_ps=lambda self, amount: 1.5 * amount), "not a whole number of ps"),
        (
            pump(service_ps=lambda self, amount: amount and max(1, 70 - amount)),
            "2 take less time than 1, 68 ps instead of 69 ps",
        ),
        (
            pump(service_ps=lambda self, amount: amount**2),
            "1 and 1 take 4 ps together but 2 ps apart",
        ),
        (Forgetful(), "another time the second time"),
    ],
)
def test_each_violation_of_a_unit_is_named(unit, message):
    with pytest.raises(AssertionError, match=message):
        check_timing_unit(unit)


class Star:
    """A network that keeps the contract: every port has one link in and one out."""

    def __init__(self, tiles: int) -> None:
        self.tiles = tiles

    def route(self, source: Any, destination: Any) -> Any:
        return () if source == destination else (f"{source}>", f">{destination}")


def star(route: Any) -> type:
    return type("Broken", (Star,), {"route": route})


def fickle() -> type:
    calls: list[int] = []

    def route(self: Star, source: Any, destination: Any) -> Any:
        calls.append(0)
        return () if source == destination else (f"way {len(calls) // 9}",)

    return star(route)


def test_a_network_that_keeps_the_contract_passes():
    check_topology(Star)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (star(lambda self, source, destination: ["a"]), "network contract: .* not a tuple"),
        (star(lambda self, source, destination: ("a", 3)), "not a tuple of names"),
        (star(lambda self, source, destination: ("a", "a")), "a link twice"),
        (star(lambda self, source, destination: ("a",)), "only a port and itself"),
        (star(lambda self, source, destination: ()), "only a port and itself"),
        (fickle(), r"is \('way .*, then \('way"),
    ],
)
def test_each_violation_of_a_network_is_named(model, message):
    with pytest.raises(AssertionError, match=message):
        check_topology(model)
