"""Whether everything that lives at once fits into the buffers.

Which question this module answers: *is there room for the activations, and if not, how much is
missing where?*

An output lies in the buffer of its home tile from the operation that computes it to the last one
that takes it, operations taken in their listed order; the operands and the output of an operation
lie there at the same time. Inputs, constants and outputs of the graph stay in the global buffer for
the whole inference.

Not modelled: two independent operations that run at the same time and hold more together than in
listed order, fragmentation, and spilling to other tiles.
"""

from collections.abc import Callable, Mapping

from pimsim.config.architecture import Architecture
from pimsim.errors import MappingError
from pimsim.mapping.movement import Traffic
from pimsim.mapping.origins import Origin
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.workload.shapes import elements

_BITS_PER_BYTE = 8
_NAMED_TENSORS = 4
"""How many of the largest tensors a message names."""


def check_buffers(
    quantized: QuantizedWorkload,
    architecture: Architecture,
    dims: Mapping[str, int],
    traffic: Mapping[str, Traffic],
    origins: Mapping[str, tuple[Origin, ...]],
) -> None:
    """Check the capacity of the tile buffers at every operation, and of the global buffer.

    Raises
    ------
    MappingError
        If something does not fit: where, how many bytes, the largest tensors, the remedy.
    """

    def size_bits(tensor: str) -> int:
        found = quantized.tensors[tensor]
        return elements(found.shape, dims) * found.encoding.bits

    executed = [op for op in quantized.ops if op.name in traffic]
    _check_global(quantized, executed, architecture, origins, size_bits_of=size_bits)
    last_use = {op.name: op.name for op in executed}
    for op in executed:
        for name in op.inputs:
            last_use.update(
                (origin.producer, op.name) for origin in origins[name] if origin.producer
            )
    live: dict[int, dict[str, int]] = {}
    capacity = architecture.tile.buffer.capacity_bytes
    for op in executed:
        plan = traffic[op.name]
        if plan.write_bits:
            live.setdefault(plan.home, {})[op.name] = plan.write_bits
            held = live[plan.home]
            needed = -(-sum(held.values()) // _BITS_PER_BYTE)
            if needed > capacity:
                raise MappingError(
                    f"op {op.name!r} needs {needed} bytes in the buffer of tile {plan.home}, which "
                    f"has {capacity} on architecture {architecture.name!r} "
                    f"(outputs of {_largest(held)}).\n"
                    f"  Raise tile.buffer.capacity_bytes to at least {needed}, or use a smaller "
                    "batch or sequence; spilling to other tiles is not modelled yet."
                )
        for held in live.values():
            for name in [name for name in held if last_use[name] == op.name]:
                del held[name]


def _check_global(
    quantized: QuantizedWorkload,
    executed: list[QuantizedOp],
    architecture: Architecture,
    origins: Mapping[str, tuple[Origin, ...]],
    *,
    size_bits_of: Callable[[str], int],
) -> None:
    names = [name for op in executed for name in op.inputs]
    held = {
        origin.tensor: size_bits_of(origin.tensor)
        for name in names
        for origin in origins[name]
        if origin.producer is None and not origin.resident
    }
    for name in quantized.outputs:
        for origin in origins[name]:
            if origin.producer is not None:
                bits = quantized.tensors[origin.tensor].encoding.bits
                held[origin.tensor] = held.get(origin.tensor, 0) + origin.elements * bits
    needed = -(-sum(held.values()) // _BITS_PER_BYTE)
    capacity = architecture.chip.global_buffer.capacity_bytes
    if needed > capacity:
        raise MappingError(
            f"the inputs, constants and outputs of workload {quantized.workload.name!r} need "
            f"{needed} bytes, but the global buffer has {capacity} on architecture "
            f"{architecture.name!r} ({_largest(held)}).\n"
            f"  Raise chip.global_buffer.capacity_bytes to at least {needed}, or use a smaller "
            "batch or sequence; an off-chip memory is not modelled yet."
        )


def _largest(held: Mapping[str, int]) -> str:
    ordered = sorted(held.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(
        f"{name!r}: {-(-bits // _BITS_PER_BYTE)} bytes" for name, bits in ordered[:_NAMED_TENSORS]
    )
    others = len(ordered) - _NAMED_TENSORS
    return named if others <= 0 else f"{named} and {others} more"
