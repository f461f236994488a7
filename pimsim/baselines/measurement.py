"""Time and energy of one batch on a real GPU: the procedure, without the device.

Which question this module answers: *how is a run measured so that its number can be trusted?*

1. Idle power is read over a window with the model loaded and nothing to do.
2. Warm-up runs bring clocks and caches to where they stay.
3. Each of many runs is timed by events of the device; median and quartiles are kept.
4. Runs follow one another without a gap for at least two seconds, while the energy counter of the
   board is read, or its power sampled where it has no counter. Nothing is subtracted.

The device and its meter are protocols, so that the procedure is tested without a GPU. A board's
power sensor may look at a part of the time only (A100 and H100: a quarter [1]_), which is why the
counter goes first and the window is long.

References
----------
.. [1] Z. Yang, K. Adamek, W. Armour, Part-time Power Measurements: nvidia-smi's Lack of Attention,
   SC 2024, arXiv:2312.02741.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import yaml

from pimsim.baselines.runs import SCHEMA_VERSION
from pimsim.errors import InputError, OutputError

_SOURCE: Final = "measured"
_UJ_PER_MW_S: Final = 1e3

EnergyFrom = Literal["energy_counter", "sampled_power"]


class Timer(Protocol):
    """A batch that can be run on a device."""

    def run(self, count: int) -> None:
        """Start ``count`` batches, one after the other, and return at once."""
        ...

    def times_us(self, count: int) -> Sequence[float]:
        """Run ``count`` batches and return the time that the device took for each."""
        ...

    def synchronize(self) -> None:
        """Return when everything that was started is done."""
        ...


@dataclass(frozen=True, slots=True)
class State:
    """What a board says of itself at one moment; ``None`` for what it does not tell."""

    sm_clock_ghz: float | None = None
    memory_clock_ghz: float | None = None
    temperature_degc: float | None = None


class Meter(Protocol):
    """What reads the power of a board."""

    def energy_uj(self) -> float | None:
        """Energy since some moment in the past; ``None`` where there is no counter."""
        ...

    def power_mw(self) -> float:
        """Power now."""
        ...

    def state(self) -> State:
        """Clocks and temperature now."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How long is measured."""

    warm_up_runs: int = 20
    timed_runs: int = 100
    window_s: float = 2.0
    """Least length of the windows that power is taken over."""
    sample_every_s: float = 0.05
    """Distance of samples of the power, where there is no counter."""

    def check(self) -> None:
        """Raise for settings that measure nothing."""
        if self.warm_up_runs < 1 or self.timed_runs < 3:
            raise InputError(
                "at least 1 warm-up run and 3 timed runs are needed, got "
                f"{self.warm_up_runs} and {self.timed_runs}"
            )
        if self.window_s < 2.0:
            raise InputError(f"power is taken over 2 s or more, got {self.window_s} s")


@dataclass(frozen=True, slots=True)
class Point:
    """One batch, measured."""

    latency_us: float
    """Median."""
    spread_ratio: float
    """Distance of the quartiles over the median."""
    energy_uj: float | None = None
    """Of one batch."""
    idle_power_mw: float | None = None
    energy_from: EnergyFrom | None = None
    window_s: float | None = None
    """How long energy was integrated."""
    state: State = State()


@dataclass(frozen=True, slots=True)
class Clock:
    """Time of the host, replaceable for tests."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def measure(
    timer: Timer, meter: Meter | None, settings: Settings, clock: Clock | None = None
) -> Point:
    """Measure one batch.

    Parameters
    ----------
    timer
        Runs the batch.
    meter
        Reads the board; without one, only time is measured.
    settings
        How long.
    clock
        The host's time.

    Raises
    ------
    InputError
        If the settings measure nothing.
    """
    settings.check()
    clock = Clock() if clock is None else clock
    idle_mw = None if meter is None else _idle_power_mw(meter, settings, clock)
    timer.run(settings.warm_up_runs)
    timer.synchronize()
    times = sorted(timer.times_us(settings.timed_runs))
    low, median, high = statistics.quantiles(times, n=4)
    point = Point(latency_us=median, spread_ratio=(high - low) / median)
    if meter is None:
        return point
    energy_uj, source, window_s, state = _energy(timer, meter, median, settings, clock)
    return replace(
        point,
        energy_uj=energy_uj,
        idle_power_mw=idle_mw,
        energy_from=source,
        window_s=window_s,
        state=state,
    )


def _idle_power_mw(meter: Meter, settings: Settings, clock: Clock) -> float:
    begun, began_at = meter.energy_uj(), clock.now()
    samples: list[float] = []
    while clock.now() - began_at < settings.window_s:
        clock.sleep(settings.sample_every_s)
        samples.append(meter.power_mw())
    ended = meter.energy_uj()
    if begun is not None and ended is not None:
        return (ended - begun) / (clock.now() - began_at) / _UJ_PER_MW_S
    return statistics.fmean(samples)


def _energy(
    timer: Timer, meter: Meter, latency_us: float, settings: Settings, clock: Clock
) -> tuple[float, EnergyFrom, float, State]:
    """Energy of one batch, over back-to-back batches of at least the window."""
    chunk = max(1, round(settings.sample_every_s * 1e6 / latency_us))
    batches, samples = 0, []
    begun, began_at = meter.energy_uj(), clock.now()
    while clock.now() - began_at < settings.window_s:
        timer.run(chunk)
        state = meter.state()  # while the device works
        timer.synchronize()
        samples.append(meter.power_mw())
        batches += chunk
    ended, window_s = meter.energy_uj(), clock.now() - began_at
    if begun is not None and ended is not None:
        return (ended - begun) / batches, "energy_counter", window_s, state
    total_uj = statistics.fmean(samples) * window_s * _UJ_PER_MW_S
    return total_uj / batches, "sampled_power", window_s, state


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured."""

    model: str
    batch: int
    precision: str
    seq: int | None = None
    phase: str | None = None
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What all points of a file share."""

    gpu: str
    """Name of a GPU that pimsim knows, or the device's own."""
    device: str
    date: str
    command: str
    execution: str
    driver: str | None = None
    torch: str | None = None
    cuda: str | None = None
    attention: str | None = None
    power_limit_mw: float | None = None


def row(case: Case, point: Point, setting: Setting, settings: Settings) -> dict[str, Any]:
    """Return one row, as :class:`.runs.RunGroup` reads it."""
    provenance = {
        "date": setting.date,
        "command": setting.command,
        "device": setting.device,
        "driver": setting.driver,
        "torch": setting.torch,
        "cuda": setting.cuda,
        "execution": setting.execution,
        "attention": setting.attention,
        "warm_up_runs": settings.warm_up_runs,
        "timed_runs": settings.timed_runs,
        "sm_clock_ghz": point.state.sm_clock_ghz,
        "memory_clock_ghz": point.state.memory_clock_ghz,
        "temperature_degc": point.state.temperature_degc,
        "power_limit_mw": setting.power_limit_mw,
        "energy_from": point.energy_from,
        "energy_window_s": point.window_s,
    }
    measured = {
        "model": case.model,
        "phase": case.phase,
        "context": case.context,
        "seq": case.seq,
        "precision": case.precision,
        "software": f"PyTorch {setting.torch or ''}, {setting.execution.replace('_', ' ')}".strip(),
        "kind": "measured",
        "source": _SOURCE,
        "use": "test",
        "batch": [case.batch],
        "latency_us": [point.latency_us],
        "spread_ratio": [point.spread_ratio],
        "energy_uj": None if point.energy_uj is None else [point.energy_uj],
        "idle_power_mw": None if point.idle_power_mw is None else [point.idle_power_mw],
    }
    return {**_given(measured), "provenance": _given(provenance)}


def write(path: Path, setting: Setting, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as a file that ``pimsim gpu show`` and ``predict`` take with ``--rows``.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "gpu": setting.gpu,
        "sources": {
            _SOURCE: {
                "reference": "measured with pimsim gpu measure",
                "place": f"{setting.device}, {setting.date}",
            }
        },
        "runs": list(rows),
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
