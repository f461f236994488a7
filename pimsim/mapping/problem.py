"""What is to be laid onto what.

Which question this module answers: *which graph, which chip, which sizes, and whose numbers does
each tensor hold?*
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.config.architecture import Architecture
from pimsim.mapping.origins import Origin
from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.workload.shapes import elements


@dataclass(frozen=True, slots=True)
class Problem:
    """A quantized workload and the chip that it is mapped to."""

    quantized: QuantizedWorkload
    architecture: Architecture
    dims: Mapping[str, int]
    origins: Mapping[str, tuple[Origin, ...]]
    """From :func:`pimsim.mapping.origins.trace_origins`."""

    def size_bits(self, tensor: str) -> int:
        """Bits of a tensor of the quantized workload."""
        found = self.quantized.tensors[tensor]
        return elements(found.shape, self.dims) * found.encoding.bits
