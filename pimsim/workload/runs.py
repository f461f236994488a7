"""The workload that a run is about: a phase of a decoder, at the sizes of the run.

Which question this module answers: *of which graph, at which sizes, does a run tell time, energy
and accuracy?*
"""

from dataclasses import dataclass, replace
from typing import Final

from pimsim.errors import InputError, nearest
from pimsim.workload.graph import Workload
from pimsim.workload.phases import resident_rows

PHASES: Final = ("prefill", "decode")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    phase: str | None
    context: int | None
    """Tokens of the cache: those that prefill fills it with, or that decode finds in it."""
    seq: int | None
    """For prefill another word for ``context``."""
    samples: int | None


def in_phase(workload: Workload, wanted: Wanted) -> Workload:
    """Return the phase of a decoder that was asked for, or the workload itself.

    Cache tensors are left out of the outputs: they stay on the chip, in the cells of the products
    that use them. The name of a phase is the workload's with the phase and its tokens.

    Raises
    ------
    InputError
        If the phase is unknown, or its number of tokens is missing or given where it means nothing.
    WorkloadError
        If the workload has no phases or is too short for them.
    """
    phase, context, seq = wanted.phase, wanted.context, wanted.seq
    if phase is None:
        if context is not None:
            raise InputError(
                f"context = {context} needs a phase of a decoder: prefill, which fills the cache "
                "with these tokens, or decode, which finds them in it"
            )
        return _staying(workload, resident_rows(workload))
    if phase not in PHASES:
        raise InputError(f"unknown phase {phase!r}{nearest(phase, PHASES)}")
    if phase == "prefill":
        if None not in (context, seq) and context != seq:
            raise InputError(
                f"context = {context} and seq = {seq} differ; for prefill both are the tokens of "
                "the prompt"
            )
        tokens = context if context is not None else seq
        if tokens is None:
            raise InputError("prefill needs context, the number of tokens in the prompt")
        made = replace(workload.prefill(seq=tokens), outputs=workload.outputs)
        return replace(made, name=f"{workload.name}-prefill-{tokens}")
    if seq is not None:
        raise InputError(
            f"seq = {seq} means nothing for decode, which takes one new token; give context, the "
            "number of tokens in the cache"
        )
    if context is None:
        raise InputError("decode needs context, the number of tokens in the cache")
    step = workload.decode(context=context, samples=wanted.samples)
    step = _staying(step, resident_rows(step))
    return replace(step, name=f"{workload.name}-decode-{context}")


def at_sizes(workload: Workload, dims: dict[str, int]) -> Workload:
    """Fix every dimension but the batch, so that what depends on it is a number.

    Parameters
    ----------
    workload
        Any workload.
    dims
        The sizes of the run.

    Raises
    ------
    WorkloadError
        If a table of the model is too short.
    """
    sizes = {name: dims[name] for name in workload.dims if name != "batch"}
    fixed = workload.with_dims(**sizes)
    if workload.samples is not None and fixed.samples is None:
        return workload  # calibration samples of another length than the evaluation samples
    return fixed


def _staying(workload: Workload, rows: tuple[str, ...]) -> Workload:
    """Without the outputs that only extend a cache; nothing changes where there are none."""
    if not rows:
        return workload
    return replace(workload, outputs=tuple(name for name in workload.outputs if name not in rows))
