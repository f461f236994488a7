"""What a run was asked for, checked before anything is computed.

Which question this module answers: *which samples, sizes and seeds does this run take, and can it?*

Imported with the package, and therefore imports nothing heavy at its top.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from pimsim.errors import InputError

if TYPE_CHECKING:
    from pimsim.workload import Workload

DEFAULT_SAMPLES_MAX: Final = 512
"""Evaluation samples that a run takes when none are asked for, if the workload has so many."""

REQUESTS_MAX: Final = 256
"""Inferences behind one another that are replayed; each takes as long as the first."""

_log = logging.getLogger("pimsim.simulate")


class Progress(Protocol):
    """What a run tells about how far it is."""

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins, with ``total`` steps if known."""
        ...

    def advance(self, n: int = 1) -> None:
        """``n`` steps of the stage are done."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    workload: "Workload"
    samples: int | None
    chips: int
    seed: int
    batch: int
    seq: int | None
    overrides: tuple[str, ...]
    progress: Progress | None
    requests: int = 1
    """Inferences that follow each other in the replay."""
    token_group: int = 1
    """Tokens that move through the replay together."""
    checks: bool = False
    """Whether the replay checks itself."""

    def check(self) -> None:
        """Raise for numbers that no run can have."""
        for name, value, least in (
            ("samples", self.samples, 1),
            ("chips", self.chips, 1),
            ("seed", self.seed, 0),
            ("batch", self.batch, 1),
            ("seq", self.seq, 1),
            ("requests", self.requests, 1),
            ("token_group", self.token_group, 1),
        ):
            if value is not None and value < least:
                raise InputError(f"{name} must be {least} or more, got {value}")
        if self.requests > REQUESTS_MAX:
            raise InputError(
                f"requests must be {REQUESTS_MAX} or fewer, got {self.requests}; the steady state "
                "shows from four on"
            )
        if self.workload.shape_only:
            if self.samples is not None:
                raise InputError(
                    f"workload {self.workload.name!r} has shapes only, no samples to take "
                    f"{self.samples} from"
                )
        else:
            self._check_samples()
        _ = self.dims  # raises where a dimension is unknown or out of range

    def _check_samples(self) -> None:
        name = self.workload.name
        if self.available == 0:
            raise InputError(
                f"workload {name!r} has weights but no evaluation samples; add evaluation.<input> "
                "to its samples.safetensors, or trace it without weights for time and cost alone"
            )
        if self.sample_count > self.available:
            raise InputError(
                f"samples = {self.sample_count}, but workload {name!r} has {self.available} "
                "evaluation samples; ask for fewer"
            )
        if self.batch > self.available:
            raise InputError(
                f"batch = {self.batch}, but workload {name!r} has {self.available} evaluation "
                "samples; ask for a smaller batch"
            )
        rest = self.sample_count % self.batch
        if rest:
            near = {self.sample_count - rest, self.sample_count - rest + self.batch}
            whole = " or ".join(str(n) for n in sorted(near) if 0 < n <= self.available)
            raise InputError(
                f"samples = {self.sample_count} is not a whole number of batches of {self.batch}; "
                f"take {whole}"
            )
        found = self._sample_dims().get("seq")
        if found is not None and self.seq not in (None, found):
            raise InputError(
                f"seq = {self.seq}, but the evaluation samples of workload {name!r} have {found} "
                "tokens; leave seq out"
            )

    def _sample_dims(self) -> dict[str, int]:
        """Numbers that the evaluation samples give the symbolic dimensions, the batch apart."""
        from pimsim.workload.reference import bind_inputs

        workload = self.workload
        if workload.shape_only or workload.samples is None:
            return {}
        arrays = [workload.samples.evaluation[name] for name in workload.inputs]
        dims = bind_inputs(workload, arrays)
        return {name: size for name, size in dims.items() if name != "batch"}

    @property
    def available(self) -> int:
        """Evaluation samples that the workload brings along."""
        samples = self.workload.samples
        return 0 if samples is None or self.workload.shape_only else samples.count

    @property
    def sample_count(self) -> int:
        """Samples to evaluate: asked for, or all up to the default, in whole batches."""
        if self.samples is not None:
            return self.samples
        count = min(self.available, DEFAULT_SAMPLES_MAX)
        return count - count % self.batch if count >= self.batch else count

    @property
    def dims(self) -> dict[str, int]:
        """Numbers of the workload's symbolic dimensions."""
        wanted = self._sample_dims()
        if self.batch > 1 or "batch" in self.workload.dims:
            wanted["batch"] = self.batch
        if self.seq is not None:
            wanted["seq"] = self.seq
        return {"batch": 1, **self.workload.bind(**wanted)}

    def stage(self, name: str, total: int | None = None) -> None:
        """Report a new stage."""
        _log.info("%s", name)
        if self.progress is not None:
            self.progress.stage(name, total)

    def advance(self, n: int) -> None:
        """Report steps done."""
        if self.progress is not None:
            self.progress.advance(n)
