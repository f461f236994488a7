"""The two phases of a decoder, both from one trace: the prompt at once, then token by token.

Which question this module answers: *what is computed to take in a prompt of N tokens, and what for
the next token when N are cached?*

Both phases come from the graph of a causal language model that was traced over whole sequences,
without a cache (``use_cache=False``):

prefill
    the graph at N tokens; besides the model's outputs it yields the cache tensors: for each
    attention layer the keys, after rotary embedding if the model has one, and the values.
decode
    one new token against a cache of N tokens (:mod:`pimsim.workload.slicing`). Inputs are those of
    the model, one token long, or N + 1 where all are needed (an attention mask covers the cache,
    too), then one ``state`` per cache tensor, named after it with ``.past`` at the end. Outputs are
    the model's for the new token, then the new token's row of each cache tensor.

Cache tensors keep the names that they have in the traced graph and are listed in the same order in
both phases, layer by layer, keys before values, so that the rows of a decoding step are appended to
what prefill gave::

    past[cache.state] = np.concatenate([past[cache.state], step[cache.tensor]], axis=cache.axis)

Not modelled: caches of a fixed window, of compressed or quantized keys, and encoder-decoders.
"""

from dataclasses import replace
from typing import Final

from pimsim.errors import WorkloadError
from pimsim.workload.dimensions import fix, fixed_graph
from pimsim.workload.graph import Op, Workload
from pimsim.workload.last_token import TokenShapes
from pimsim.workload.limits import check_limits
from pimsim.workload.phase_samples import decode_samples, prefill_samples
from pimsim.workload.slicing import PAST, Cache, Step, activations, slice_step

CONTEXT: Final = "context"
"""Dimension of a decoding step: tokens in the cache."""


def prefill(workload: Workload, seq: int) -> Workload:
    """Return the pass over a prompt, which fills the cache.

    Parameters
    ----------
    workload
        A causal decoder traced over whole sequences.
    seq
        Tokens of the prompt.

    Returns
    -------
    Workload
        At this length; the batch stays symbolic. Its outputs are the model's, for every token,
        then the cache tensors. Samples are cut to their first ``seq`` tokens.

    Raises
    ------
    WorkloadError
        If the workload is no causal decoder, or ``seq`` is more than the model or its samples have.
    """
    sequence = _sequence(workload, "prefill")
    step = _step(workload, sequence, "prefill")
    fixed = fix(replace(workload, samples=None), {sequence: seq})
    names = dict.fromkeys((*workload.outputs, *(cache.tensor for cache in step.caches)))
    return replace(fixed, outputs=tuple(names), samples=prefill_samples(workload, sequence, seq))


def decode(workload: Workload, context: int, *, samples: int | None = None) -> Workload:
    """Return the step that takes one new token against a cache.

    Parameters
    ----------
    workload
        A causal decoder traced over whole sequences.
    context
        Tokens in the cache before the step.
    samples
        How many of the evaluation samples to build, the first ones; all when absent.

    Returns
    -------
    Workload
        With the dimension ``context`` fixed; the batch stays symbolic. Of every sample the first
        ``context`` tokens fill the cache and the next one is the new token. The caches are computed
        by the float32 reference when they are first looked at, and lie in a temporary file if they
        are large.

    Raises
    ------
    WorkloadError
        If the workload is no causal decoder, or the context and the new token are more than the
        model or its samples have.
    """
    sequence = _sequence(workload, "decode")
    if context < 1:
        raise WorkloadError(f"decode needs a context of at least 1 token, got {context}")
    step = _step(workload, sequence, "decode")
    sizes = {sequence: context + 1}
    try:
        workload.bind(**sizes)
        check_limits(workload, sizes)
    except WorkloadError as error:
        raise WorkloadError(
            f"a context of {context} tokens and the new one make {sequence} = {context + 1}: "
            f"{error}"
        ) from None
    fixed = fixed_graph(step.workload, sizes)
    dims = {name: bounds for name, bounds in fixed.dims.items() if name != sequence}
    made = replace(fixed, dims={**dims, CONTEXT: (context, context)})
    return replace(made, samples=decode_samples(workload, made, step.caches, sequence, samples))


def caches(workload: Workload) -> tuple[Cache, ...]:
    """Return the cache tensors of a causal decoder, layer by layer, keys before values.

    Raises
    ------
    WorkloadError
        If the workload is no causal decoder.
    """
    return _step(workload, _sequence(workload, "caching"), "caching").caches


def resident_rows(workload: Workload) -> tuple[str, ...]:
    """Outputs of a decoding step that only extend its states: they never leave the chip."""
    return tuple(name for name in workload.outputs if f"{name}{PAST}" in workload.inputs)


def _sequence(workload: Workload, verb: str) -> str:
    """The dimension of tokens."""
    found = [name for name in workload.dims if name != "batch"]
    if CONTEXT in workload.dims:
        raise WorkloadError(
            f"workload {workload.name!r} is a decoding step already (context = "
            f"{workload.dims[CONTEXT][0]}); take the phase from the workload as traced"
        )
    if "seq" in found:
        return "seq"
    if len(found) != 1:
        known = ", ".join(workload.dims) or "none"
        raise WorkloadError(
            f"workload {workload.name!r} has no dimension of tokens, which {verb} needs (its "
            f"dimensions: {known}); only causal decoders have phases. Trace a decoder with a "
            "dynamic dimension 'seq'"
        )
    return found[0]


def _step(workload: Workload, sequence: str, verb: str) -> Step:
    low, high = workload.dims[sequence]
    if low == high:
        raise WorkloadError(
            f"workload {workload.name!r} is fixed at {sequence} = {low}; take {verb} from the "
            "workload as traced, where the dimension is open"
        )
    _check_causal(workload, sequence, verb)
    step = slice_step(workload, sequence)
    if not step.caches:
        raise WorkloadError(
            f"workload {workload.name!r} has no keys or values to cache: no operation takes all "
            f"tokens of an activation, so {verb} has no meaning; use with_dims"
        )
    return step


def _check_causal(workload: Workload, sequence: str, verb: str) -> None:
    """Raise unless every softmax over tokens belongs to causal attention."""
    shapes, learned = TokenShapes(workload, sequence), activations(workload)
    for op in workload.ops:
        if op.kind != "softmax" or op.output not in learned:
            continue
        if not shapes.holds_tokens(workload.tensors[op.output].shape[op.attributes["axis"]]):
            continue
        if op.group is None or not op.group.causal:
            raise WorkloadError(
                f"workload {workload.name!r}: {_not_causal(op)}; {verb} needs a "
                "causal decoder, as GPT-2 and Llama are"
            )


def _not_causal(op: Op) -> str:
    if op.group is None:
        return (
            f"softmax {op.name!r} runs over tokens outside any attention layer that pimsim "
            "recognizes, so that nothing says that tokens do not see later ones"
        )
    return (
        f"attention layer {op.group.name!r} is not causal: every token sees later ones, so that "
        "keys and values of earlier tokens change with every new token and cannot be kept"
    )
