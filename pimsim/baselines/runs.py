"""Runs of networks on GPUs, published by others or measured by us, as rows with a source.

Which question this module answers: *what has been measured, where does it stand, what is it for?*

A group of rows shares everything but the batch. Each says what it is used for: ``fit`` rows set the
coefficients of the roofline, ``test`` rows only judge it, and ``shown`` rows do neither, because
they count something else (padding dropped, several GPUs, a whole system).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from pimsim.config.base import Config
from pimsim.config.yaml_loader import check_version, read, validate
from pimsim.units import PER_S_PER_PER_US

SCHEMA_VERSION: Final = 1

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8"]
Phase = Literal["prefill", "decode", "generate"]
"""``generate``: a prompt and then ``new_tokens`` steps, timed together."""
Use = Literal["fit", "test", "shown"]
Mark = Literal["read", "recalled", "assumed"]
"""``read`` in the source that is named, ``recalled`` of it without having it at hand, ``assumed``:
published nowhere that we know of."""

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Reference(Config):
    """Where numbers come from."""

    reference: str = Field(min_length=1)
    place: str = Field(min_length=1)
    url: str | None = None


class Provenance(Config):
    """How one of our own rows was measured; what the machine does not tell is left out."""

    date: str = Field(min_length=1)
    command: str = Field(min_length=1)
    device: str = Field(min_length=1)
    driver: str | None = None
    torch: str | None = None
    cuda: str | None = None
    execution: Literal["eager", "cuda_graph", "compile"] = "eager"
    attention: str | None = None
    """Attention implementation of the model."""
    warm_up_runs: int = Field(ge=0)
    timed_runs: Count
    sm_clock_ghz: Positive | None = None
    """Median during the runs."""
    memory_clock_ghz: Positive | None = None
    temperature_degc: float | None = None
    power_limit_mw: Positive | None = None
    energy_from: Literal["energy_counter", "sampled_power"] | None = None
    energy_window_s: Positive | None = None


class RunGroup(Config):
    """Rows that differ in the batch only."""

    model: str = Field(min_length=1)
    """A workload's name; rows to fit or to test with are of bundled workloads."""
    phase: Phase | None = None
    context: Count | None = None
    """Tokens of the prompt, or in the cache."""
    new_tokens: Count | None = None
    seq: Count | None = None
    precision: Precision
    software: str = Field(min_length=1)
    kind: Literal["published", "measured"] = "published"
    source: str
    """A key of the file's ``sources``."""
    mark: Mark = "read"
    use: Use
    batch: tuple[Count, ...] = Field(min_length=1, strict=False)
    latency_us: tuple[Positive, ...] | None = Field(default=None, strict=False)
    """Of the whole batch."""
    throughput_per_s: tuple[Positive, ...] | None = Field(default=None, strict=False)
    """Inputs, or with ``generate`` new tokens, per second."""
    energy_uj: tuple[Positive, ...] | None = Field(default=None, strict=False)
    """Of the whole batch; nothing subtracted."""
    idle_power_mw: tuple[Positive, ...] | None = Field(default=None, strict=False)
    spread_ratio: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        default=None, strict=False
    )
    """Distance of the quartiles over the median."""
    caveat: str = ""
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _complete(self) -> "RunGroup":
        if (self.latency_us is None) == (self.throughput_per_s is None):
            raise ValueError("a row needs latency_us or throughput_per_s, and not both")
        for name in (
            "latency_us",
            "throughput_per_s",
            "energy_uj",
            "idle_power_mw",
            "spread_ratio",
        ):
            found = getattr(self, name)
            if found is not None and len(found) != len(self.batch):
                raise ValueError(
                    f"{name}: has {len(found)} numbers, but batch has {len(self.batch)}"
                )
        if (self.phase is None) != (self.context is None):
            raise ValueError("context: given with a phase, and only then")
        if (self.phase == "generate") != (self.new_tokens is not None):
            raise ValueError("new_tokens: given with phase generate, and only then")
        if self.kind == "measured" and self.provenance is None:
            raise ValueError("provenance: missing; a measured row says how it was measured")
        return self


class RunFile(Config):
    """A file of rows beside those that pimsim brings: what ``pimsim gpu measure`` writes."""

    schema_version: int
    gpu: str
    """Name of a GPU of ``pimsim gpu list``, or that of the device if it is not among them."""
    sources: dict[str, Reference]
    runs: tuple[RunGroup, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _sources_known(self) -> "RunFile":
        check_sources(self.runs, self.sources)
        return self


@dataclass(frozen=True, slots=True)
class Run:
    """One row."""

    gpu: str
    model: str
    phase: Phase | None
    context: int | None
    new_tokens: int | None
    seq: int | None
    precision: Precision
    software: str
    kind: Literal["published", "measured"]
    source: str
    """Reference and place."""
    mark: Mark
    use: Use
    caveat: str
    batch: int
    latency_us: float
    """Of the whole batch; with ``generate`` of the whole texts."""
    energy_uj: float | None
    idle_power_mw: float | None

    @property
    def curve(self) -> tuple[str, str, int | None, int | None, str, str]:
        """What rows that differ in the batch only have in common."""
        tokens = self.seq if self.phase is None else self.context
        return self.model, self.phase or "", tokens, self.new_tokens, self.precision, self.source


def expand(gpu: str, groups: Iterable[RunGroup], sources: dict[str, Reference]) -> tuple[Run, ...]:
    """Return the rows of groups whose sources are known, in order."""
    return tuple(row for group in groups for row in _rows(gpu, group, sources[group.source]))


def check_sources(groups: Iterable[RunGroup], sources: dict[str, Reference]) -> None:
    """Raise ``ValueError``, for pydantic, if a group names a source that is not listed."""
    for index, group in enumerate(groups):
        if group.source not in sources:
            raise ValueError(
                f"runs[{index}].source: {group.source!r} is not among the file's sources "
                f"({', '.join(sources)})"
            )


def read_runs(path: Path) -> tuple[Run, ...]:
    """Read a file of rows, as ``pimsim gpu measure`` writes it.

    Raises
    ------
    ConfigError
        With file, line and key of everything that is wrong.
    """
    document = read(path)
    check_version(document, SCHEMA_VERSION)
    file = validate(document, RunFile)
    return expand(file.gpu, file.runs, file.sources)


def _rows(gpu: str, group: RunGroup, source: Reference) -> Iterable[Run]:
    for index, batch in enumerate(group.batch):
        yield Run(
            gpu=gpu,
            model=group.model,
            phase=group.phase,
            context=group.context,
            new_tokens=group.new_tokens,
            seq=group.seq,
            precision=group.precision,
            software=group.software,
            kind=group.kind,
            source=f"{source.reference}, {source.place}",
            mark=group.mark,
            use=group.use,
            caveat=group.caveat,
            batch=batch,
            latency_us=_latency_us(group, index),
            energy_uj=None if group.energy_uj is None else group.energy_uj[index],
            idle_power_mw=None if group.idle_power_mw is None else group.idle_power_mw[index],
        )


def _latency_us(group: RunGroup, index: int) -> float:
    if group.latency_us is not None:
        return group.latency_us[index]
    assert group.throughput_per_s is not None
    items = group.batch[index] * (group.new_tokens or 1)
    return items / group.throughput_per_s[index] * PER_S_PER_PER_US
