"""The contract check of integer units catches each violation it names."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.integer import Operation, UnitHardware, UnitOutput
from pimsim.testing import check_integer_unit

CODES = np.arange(-6, 6, dtype=np.int16).reshape(3, 4)
HARDWARE = UnitHardware(
    passes=1,
    per_element=((Operation("add", 16), 1),),
    per_row=(),
    serial_cycles_per_row=0,
    pipeline_depth_cycles=1,
    table_bits=0,
    maximum_row_length=16,
)


class Doubler:
    """A unit that keeps the contract; each violation below overrides one thing."""

    name = "example_double"
    hardware = HARDWARE

    def __call__(self, codes):
        if not np.issubdtype(codes.dtype, np.signedinteger):
            raise TypeError
        return UnitOutput(self.double(codes), self.saturations(codes))

    def double(self, codes):
        return codes + codes

    def saturations(self, codes):
        return 0


def broken(**overrides):
    return type("Broken", (Doubler,), overrides)()


class Drift(Doubler):
    calls = 0

    def double(self, codes):
        self.calls += 1
        return codes + np.int16(self.calls)


class Overwriting(Doubler):
    def double(self, codes):
        codes += codes
        return codes


def test_a_unit_that_keeps_the_contract_passes():
    check_integer_unit(Doubler(), CODES)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (broken(name=""), "has no name"),
        (Overwriting(), "changes its operands"),
        (broken(double=lambda self, codes: codes / 2), "result is of type float64"),
        (broken(double=lambda self, codes: codes[:, :1]), "result has shape"),
        (broken(saturations=lambda self, codes: None), "saturations are None"),
        (
            broken(__call__=lambda self, codes: UnitOutput(codes.astype(np.int16), 0)),
            "takes a float as operand 0",
        ),
        (Drift(), "another result the second time"),
        (
            broken(double=lambda self, codes: codes - codes.max()),
            "depends on the other rows",
        ),
        (broken(saturations=lambda self, codes: 1), "not the sum over rows"),
        (broken(hardware=replace(HARDWARE, per_element=())), "declares no operation"),
        (
            broken(hardware=replace(HARDWARE, per_element=((Operation("add", 0), 1),))),
            "not positive",
        ),
        (broken(hardware=replace(HARDWARE, passes=0)), "takes 0 cycles"),
        (
            broken(hardware=replace(HARDWARE, passes=-1, serial_cycles_per_row=99)),
            "cycles fall",
        ),
    ],
)
def test_each_violation_is_named(unit, message):
    with pytest.raises(AssertionError, match=message):
        check_integer_unit(unit, CODES.copy())


def test_a_row_beyond_the_declared_maximum_must_be_refused():
    class Careless:
        maximum_row_length = 16

        def operations(self, length):
            return {Operation("add", 16): length}

        def cycles_per_row(self, length, lanes):
            if length < 1:
                raise ValueError
            return length

    with pytest.raises(AssertionError, match="takes rows of 17 elements"):
        check_integer_unit(broken(hardware=Careless()), CODES)


@pytest.mark.parametrize("operands", [(), (CODES[:1],), (CODES[0],), (CODES, CODES[:2])])
def test_samples_that_test_nothing_are_refused(operands):
    with pytest.raises(ValueError, match="two rows or more"):
        check_integer_unit(Doubler(), *operands)
