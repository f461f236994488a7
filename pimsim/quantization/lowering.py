"""The walk over the traced graph that every scheme shares.

Which question this module answers: *which operation goes to the host, which to the scheme, and what
is said of one that neither can take?*
"""

from collections.abc import Callable, Mapping

from pimsim.errors import ModelRangeError, QuantizationError
from pimsim.quantization.builder import GraphBuilder, Value
from pimsim.quantization.host import keep_only, lower_on_host
from pimsim.workload.graph import Op

MOVEMENTS = ("view", "permute", "expand", "slice", "select", "flip", "gather", "index")
"""Data movement that leaves every code as it is; ``cat`` and ``pad`` need a scheme's scale."""


def lower_all(
    builder: GraphBuilder, handlers: Mapping[str, Callable[[Op], Value]], scheme: str
) -> None:
    """Walk the traced graph in order, lowering each operation by its kind.

    Parameters
    ----------
    builder
        Takes the operations; index and mask arithmetic goes to the host, and what follows from
        stored constants alone is computed now.
    handlers
        Kind → what the scheme makes of it, data movement and masks apart.
    scheme
        For messages.

    Raises
    ------
    QuantizationError
        If the scheme has no form for an operation; the message begins with its name.
    """
    shared = {**dict.fromkeys(MOVEMENTS, builder.move), "mask": lambda op: keep_only(builder, op)}
    known = {**shared, **handlers}
    for op in builder.workload.ops:
        if op.output in builder.host:
            lower_on_host(builder, op)
            continue
        if op.output in builder.constants:
            builder.values[op.output] = builder.fold_constants(op)
            continue
        if op.kind not in known:
            raise QuantizationError(
                f"op {op.name!r}: scheme {scheme!r} has no form for {op.kind!r}; it has: "
                f"{', '.join(sorted(known))}"
            )
        try:
            value = known[op.kind](op)
        except (QuantizationError, ModelRangeError) as error:
            raise QuantizationError(f"op {op.name!r}: {error}") from error
        builder.values[op.output] = value


def unmasked(value: Value) -> Value:
    """Pass on a value unless a mask waits on it: only movement and softmax take one along.

    Raises
    ------
    QuantizationError
        If a mask does.
    """
    if value.keep is not None:
        raise QuantizationError(
            f"what {value.keep!r} masks is read by something other than a softmax, which has no "
            "form"
        )
    return value
