"""The meter, on a library that answers as NVML does."""

from types import SimpleNamespace

import pytest

from pimsim.baselines.nvml import NvmlMeter
from pimsim.errors import InputError, MissingExtraError


class NVMLError(Exception):
    """What the library raises."""


def library(**changes):
    """A board with 70 W at 1.59 GHz that has drawn 5 J."""

    def refuse(*_):
        raise NVMLError("Not Supported")

    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByIndex": lambda index: f"board {index}",
        "nvmlDeviceGetHandleByUUID": lambda uuid: f"board {uuid}",
        "nvmlSystemGetDriverVersion": lambda: b"550.54",
        "nvmlDeviceGetEnforcedPowerLimit": lambda board: 70_000,
        "nvmlDeviceGetTotalEnergyConsumption": lambda board: 5_000,
        "nvmlDeviceGetPowerUsage": lambda board: 65_000,
        "nvmlDeviceGetClockInfo": lambda board, kind: {0: 1590, 1: 5001}[kind],
        "nvmlDeviceGetTemperature": lambda board, kind: 61,
    }
    answers |= {name: refuse if value is None else value for name, value in changes.items()}
    return SimpleNamespace(
        NVMLError=NVMLError, NVML_CLOCK_SM=0, NVML_CLOCK_MEM=1, NVML_TEMPERATURE_GPU=0, **answers
    )


def test_units_are_turned_into_ours():
    meter = NvmlMeter("0", library())
    assert meter.energy_uj() == 5e6  # 5 J
    assert meter.power_mw() == 65_000.0
    assert meter.power_limit_mw == 70_000.0
    assert meter.driver == "550.54"
    state = meter.state()
    assert (state.sm_clock_ghz, state.memory_clock_ghz) == pytest.approx((1.59, 5.001))
    assert state.temperature_degc == 61.0


def test_what_a_board_does_not_tell_is_left_out():
    meter = NvmlMeter(
        "GPU-1",
        library(
            nvmlDeviceGetTotalEnergyConsumption=None,
            nvmlDeviceGetClockInfo=None,
            nvmlDeviceGetEnforcedPowerLimit=None,
        ),
    )
    assert meter.energy_uj() is None
    assert meter.power_limit_mw is None
    assert meter.state().sm_clock_ghz is None
    assert meter.state().temperature_degc == 61.0


def test_a_board_that_does_not_tell_its_power_cannot_be_measured():
    meter = NvmlMeter("0", library(nvmlDeviceGetPowerUsage=None))
    with pytest.raises(InputError, match="does not tell its power"):
        meter.power_mw()


@pytest.mark.parametrize("part", ["nvmlInit", "nvmlDeviceGetHandleByUUID"])
def test_no_driver_or_no_such_board_is_one_message(part):
    with pytest.raises(InputError, match="the NVIDIA driver has no GPU 'GPU-1'"):
        NvmlMeter("GPU-1", library(**{part: None}))


def test_without_the_library_its_install_command_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pimsim\[gpu\]'"):
        NvmlMeter("0")
