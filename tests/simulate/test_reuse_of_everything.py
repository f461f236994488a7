"""No key of the reuse between chips misses a setting: every one is changed, one after the other.

A chip with one setting changed runs on a simulator that has seen the unchanged one, and on a fresh
one. Whatever was used again, both must tell the same.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.config.architecture import Architecture
from pimsim.config.load import changed
from pimsim.dse.axes import override
from pimsim.errors import PimsimError
from pimsim.records import Result
from pimsim.reuse import family_of
from pimsim.simulate import Simulator
from pimsim.workload import Workload

EXTRAS = {
    "chip.memory": {
        "technology": "lpddr5", "capacity_bytes": 1 << 30, "bandwidth_bits_per_ns": 256.0,
        "latency_ns": 50.0,
    },
    "chip.io": {"bandwidth_bits_per_ns": 16.0},
    "macros.mram.reprogram": {"row_time_ns": 100.0, "endurance_cycles": 10**6},
}  # fmt: skip
"""Sections that a file may leave out; the base has them, so that each of their keys is changed."""

PROGRAMMING = (
    "macros.mram.crossbar.cell.programming={model: write_verify, tolerance_ratio: 0.05,"
    " pulse_sigma_ratio: 0.05, pulses_max: 20, pulse_time_ns: 20.0, pulse_energy_pj: 1.0}"
)
READOUT = (
    "macros.mram.readout={model: charge_integration, bits_per_phase: 1, integration_step_ns: 2.0,"
    " conversion_step_ns: 1.0, phase_ns: 1.0}"
)
BASES = {
    "rap": ("rap", tuple(override(path, value) for path, value in EXTRAS.items())),
    "rap_small": (
        "rap",
        ("macros.mram.crossbar.rows=128", "chip.clock_ghz=0.5", "mapping.dataflow=layer_by_layer",
         "mapping.replication_mm2=600.0", "macros.sram.write.port=column", PROGRAMMING),
    ),
    "conventional": (
        "conventional",
        ("macros.sram.adc.range=calibrated", "macros.mram.accumulate.planes=charge", READOUT),
    ),
}  # fmt: skip

ABSENT: Mapping[str, Any] = {
    "pipeline": {"stages": 2, "stage_ns": 5.0},
    "supply": {"at_v": 0.8, "delay_exponent": 1.3},
    "memory": EXTRAS["chip.memory"],
    "io": EXTRAS["chip.io"],
    "reprogram": EXTRAS["macros.mram.reprogram"],
    "wires": {"on_conductance_usiemens": 50.0, "activity_ratio": 0.5, "bit_line_ohm": 1.0},
    "read_noise": {"sigma_on_ratio": 0.2},
    "faults": {"stuck_at_zero_ratio": 0.05},
    "drift": {"model": "power_law", "age_s": 1e6, "nu_exponent": 0.06, "start_s": 1.0},
    "mac_array": {"model": "digital_mac", "lanes": 64},
    "conduction": {"on_conductance_usiemens": 50.0, "voltage_v": 0.1, "time_ns": 5.0},
}  # fmt: skip
"""Key that may be absent → what it is set to. Numbers that may be absent are set to several."""

NUMBERS = (0.05, 0.9, 8, 10, 0.01, 100.0, 1e6)
CHOICES = {
    "sync": ("vector",), "port": ("row", "column"), "dataflow": (
        "layer_by_layer", "token_streaming", "rap_fused"), "policy": ("balanced",),
    "process": ("ff",), "trim": ("none", "per_chip"), "trim_corner": ("run",),
    "reference": ("fixed",), "range": ("full", "clipped", "calibrated"),
    "packing": ("consecutive", "bound"), "technology": ("hbm3",), "observer": ("mse",),
    "weight_scales": ("per_tensor",), "coding": ("twos_complement", "sign_magnitude", "offset"),
    "kv_msb": ("datapath",), "kv_round": ("truncate",), "normalization": ("shift", "paper"),
    "branch_scale": ("pow2",), "buffer": ("edram_buffer",), "overhead": ("no_overhead",),
    "default": ("survey_4bit_adc", "survey"), "scheme": ("int8_dyadic",),
    "model": ("bus", "none", "ibert_softmax", "shiftmax", "sar", "reram"),
    "flash_adc": ("survey_regression_4bit",),
    "sar_adc": ("survey_regression_4bit",), "name": ("another",), "description": ("another",),
}  # fmt: skip


def leaves(section: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths of everything that is no section, with its value."""
    if isinstance(section, Mapping):
        for key, inner in section.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, section


def candidates(key: str, value: Any) -> tuple[Any, ...]:
    """Other values of a key, the first that the chip takes is used."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value * 2, value + 1, value // 2)
    if isinstance(value, float):
        return (value * 0.8, value * 1.25, 45.0)
    if isinstance(value, list):
        return (["another"],)
    if value is None:
        return (ABSENT[key],) if key in ABSENT else (*CHOICES.get(key, ()), *NUMBERS)
    return tuple(other for other in CHOICES.get(key, ()) if other != value)


def variations(base: Architecture) -> Iterator[tuple[str, Architecture]]:
    """The base with one setting changed, for every setting that has another value."""
    for path, value in leaves(base.model_dump(mode="json")):
        for other in candidates(path[-1], value):
            text = override(".".join(path), other)
            try:
                chip = changed(base, [text])
            except PimsimError:
                continue
            if chip != base:
                yield text, chip
                break


def outcome(simulator: Simulator, chip: Architecture) -> Result | str:
    """What comes out, the manifest apart, which tells when it was made."""
    try:
        result = simulator.run(chip, baselines=False)
    except PimsimError as error:
        return str(error)
    return dataclasses.replace(result, manifest=None)  # type: ignore[arg-type]


def same(left: Any, right: Any) -> bool:
    """Whether two results are equal in every number, arrays included."""
    if dataclasses.is_dataclass(left) and type(left) is type(right):
        names = [each.name for each in dataclasses.fields(left)]
        return all(same(getattr(left, name), getattr(right, name)) for name in names)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray):
        return bool(np.array_equal(left, right))
    return bool(left == right)


class Both:
    """A simulator that has seen the base, and what a fresh one makes of the same chip."""

    def __init__(self, workload: Workload, base: Architecture) -> None:
        self.samples = None if workload.shape_only else 1
        self.workload, self.base = workload, base
        self.used = self.fresh()
        assert not isinstance(outcome(self.used, base), str)

    def fresh(self) -> Simulator:
        return Simulator(self.workload, samples=self.samples, chips=1)

    def agree(self, chip: Architecture) -> tuple[bool, bool]:
        """Whether both tell the same of a chip, and whether anything was used again for it."""
        outcome(self.used, self.base)  # the base stays among the last chips
        found = outcome(self.used, chip)
        if len(set(self.used.computed)) == 3:
            return True, False
        return same(found, outcome(self.fresh(), chip)), True


def check(vit: Workload, base: Architecture, chosen: list[tuple[str, Architecture]]) -> list[str]:
    """Compare each variation with a fresh run; return those for which something was used again.

    Where values may be used again they are simulated, else estimated, which takes a moment.
    """
    valued, shapes = Both(vit, base), Both(replace(vit, weights={}, samples=None), base)
    again, told = [], []
    for text, chip in chosen:
        alike = family_of(chip)[0] == family_of(base)[0] and not text.startswith("cost")
        agrees, used = (valued if alike else shapes).agree(chip)
        again += [text] if used else []
        told += [] if agrees else [text]
    assert not told
    return again


def base_of(name: str) -> Architecture:
    architecture, overrides = BASES[name]
    return load_architecture(architecture, overrides=overrides)


@pytest.mark.slow
@pytest.mark.parametrize("name", BASES)
def test_every_setting_changes_what_it_would_change_alone(vit: Workload, name: str) -> None:
    base = base_of(name)
    chosen = list(variations(base))
    assert len(chosen) > 80
    assert len(check(vit, base, chosen)) > 30
