"""Samples of a decoder's phases, from those of the whole model.

Which question this module answers: *which prompt, which cache and which new token does each sample
give?*

Prefill takes the first tokens of every sample. Decode takes its cache from the float32 reference,
run over these tokens, and the next token as the new one. Caches are computed when they are first
looked at, a few samples at a time, and large ones lie in a temporary file that disappears with
them, so that memory stays bounded.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import WorkloadError
from pimsim.workload.dimensions import fixed_graph
from pimsim.workload.graph import Samples, Workload
from pimsim.workload.slicing import Cache

_CHUNK_ELEMENTS: Final = 1 << 25
"""Elements of the largest tensor of one run of the reference."""
_MEMORY_BYTES: Final = 1 << 26
"""Arrays larger than this lie in a temporary file."""

Arrays = Mapping[str, NDArray[Any]]


def prefill_samples(workload: Workload, sequence: str, seq: int) -> Samples | None:
    """Cut every sample to its first tokens.

    Raises
    ------
    WorkloadError
        If the samples are shorter.
    """
    samples = workload.samples
    if samples is None:
        return None
    length = _length(workload, sequence)
    if seq > length:
        raise WorkloadError(
            f"prefill takes {seq} tokens of each sample, but the samples of workload "
            f"{workload.name!r} have {length}; ask for at most {length}"
        )
    span = slice(0, seq)
    return Samples(
        calibration=_cut(workload, samples.calibration, sequence, span),
        evaluation=_cut(workload, samples.evaluation, sequence, span),
        labels=_labels(samples.labels, span, length),
        reference={},
    )


def decode_samples(
    workload: Workload,
    step: Workload,
    caches: Sequence[Cache],
    sequence: str,
    count: int | None,
) -> Samples | None:
    """Give every sample a cache and a new token.

    Parameters
    ----------
    workload
        The model as traced, with its samples.
    step
        The decoding step.
    caches
        Tensors whose earlier tokens are kept.
    sequence
        Dimension of tokens.
    count
        Evaluation samples wanted; all if ``None``.

    Raises
    ------
    WorkloadError
        If the samples do not have ``context + 1`` tokens.
    """
    samples = workload.samples
    if samples is None:
        return None
    context, length = step.dims["context"][0], _length(workload, sequence)
    if context + 1 > length:
        raise WorkloadError(
            f"decoding against {context} tokens takes {context + 1} of each sample, but the "
            f"samples of workload {workload.name!r} have {length}; ask for a context of at most "
            f"{length - 1}"
        )
    evaluation = {name: array[:count] for name, array in samples.evaluation.items()}
    labels = _labels(samples.labels, slice(context, context + 1), length)
    return Samples(
        calibration=_step_inputs(workload, step, caches, sequence, samples.calibration),
        evaluation=_step_inputs(workload, step, caches, sequence, evaluation),
        labels=None if labels is None else labels[:count],
        reference={},
    )


@final
class _StepInputs(Mapping[str, NDArray[Any]]):
    """Inputs of a decoding step for many samples; the states are computed at the first look."""

    def __init__(self, step: Workload, ready: Arrays, compute: Callable[[], Arrays]) -> None:
        self._names = step.inputs
        self._ready = ready
        self._compute = compute
        self._states: Arrays | None = None

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in self._ready:
            return self._ready[name]
        if name not in self._names:
            raise KeyError(name)
        if self._states is None:
            self._states = self._compute()
        return self._states[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _step_inputs(
    workload: Workload, step: Workload, caches: Sequence[Cache], sequence: str, arrays: Arrays
) -> Arrays:
    context = step.dims["context"][0]
    tokens = _cut(workload, arrays, sequence, slice(0, context + 1))
    prompts = _cut(workload, arrays, sequence, slice(0, context))
    ready = {
        name: _newest(array, workload, step, name)
        for name, array in tokens.items()
        if name in step.inputs
    }
    filling = _filling(workload, caches, {sequence: context})
    return _StepInputs(step, ready, lambda: _states(filling, prompts, caches))


def _newest(array: NDArray[Any], workload: Workload, step: Workload, name: str) -> NDArray[Any]:
    """What a step takes of an input: all tokens, or the newest one."""
    before, after = workload.tensors[name].shape, step.tensors[name].shape
    for axis, (size, wanted) in enumerate(zip(before, after, strict=True)):
        if size != wanted and wanted == 1:
            array = np.take(array, [-1], axis=axis)
    return array


def _filling(workload: Workload, caches: Sequence[Cache], sizes: Mapping[str, int]) -> Workload:
    """The pass that computes the cache tensors, and nothing behind them."""
    fixed = fixed_graph(workload, sizes)
    wanted = {cache.tensor for cache in caches}
    ops = []
    for op in reversed(fixed.ops):
        if op.output in wanted:
            ops.append(op)
            wanted.update(op.inputs)
    used = {*wanted, *fixed.inputs}
    return replace(
        fixed,
        ops=tuple(reversed(ops)),
        outputs=tuple(cache.tensor for cache in caches),
        tensors={name: spec for name, spec in fixed.tensors.items() if name in used},
        weights={name: value for name, value in fixed.weights.items() if name in used},
    )


def _states(filling: Workload, prompts: Arrays, caches: Sequence[Cache]) -> Arrays:
    """Run the prompts through the filling pass, some at a time."""
    from pimsim.workload.reference import run

    count = len(next(iter(prompts.values())))
    dims = {**{name: low for name, (low, _) in filling.dims.items()}, "batch": 1}
    sizes = {name: spec.resolved(dims) for name, spec in filling.tensors.items()}
    found = {cache.state: _room((count, *sizes[cache.tensor][1:])) for cache in caches}
    step = max(1, _CHUNK_ELEMENTS // max(math.prod(shape) for shape in sizes.values()))
    for start in range(0, count, step):
        outputs = run(filling, *(prompts[name][start : start + step] for name in filling.inputs))
        for cache in caches:
            found[cache.state][start : start + step] = outputs[cache.tensor]
    return found


def _room(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An empty array, in memory or, if it is large, in a file without a name."""
    if math.prod(shape) * 4 <= _MEMORY_BYTES:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, "w+", shape=shape)


def _cut(workload: Workload, arrays: Arrays, sequence: str, span: slice) -> Arrays:
    """Take some of the tokens of every input."""
    found = {}
    for name, array in arrays.items():
        shape = workload.tensors[name].shape
        found[name] = array[tuple(span if size == sequence else slice(None) for size in shape)]
    return found


def _length(workload: Workload, sequence: str) -> int:
    """Tokens of the samples; calibration and evaluation may differ, the shorter counts."""
    from pimsim.workload.reference import bind_inputs

    samples = workload.samples
    sets = () if samples is None else (samples.calibration, samples.evaluation)
    return min(
        bind_inputs(workload, [arrays[name] for name in workload.inputs])[sequence]
        for arrays in sets
    )


def _labels(labels: NDArray[np.int64] | None, span: slice, length: int) -> NDArray[np.int64] | None:
    """Labels of the tokens taken; one for the whole sample holds only for all of its tokens."""
    if labels is None or (labels.ndim == 1 and span.stop != length):
        return None
    return labels if labels.ndim == 1 else labels[:, span]
