"""Numbers that belong to whole rows of a tensor: the shift of a token, the sum of its exponentials.

Which question this module answers: *after views and permutations, which of these numbers goes with
which row?*

A unit yields them beside its codes, one for each row (a token, or a token of a head). The codes are
then split into heads and turned; the numbers stay where they are, and the operation that needs them
picks them in the order of its own rows. On a chip that is address arithmetic, as data movement is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.quantization.attention_paths import move_labels
from pimsim.workload.graph import Op
from pimsim.workload.shapes import Size, resolve_shape


@dataclass(frozen=True, slots=True)
class RowTensor:
    """One number for each row of a tensor."""

    name: str
    """Tensor of the quantized graph, (..., 1)."""
    shape: tuple[Size, ...]
    """Of the tensor whose rows they belong to."""
    moves: tuple[Op, ...] = ()
    """Movements of that tensor since."""

    def moved(self, op: Op, dims: Mapping[str, int]) -> "RowTensor":
        """The numbers of the moved tensor.

        Parameters
        ----------
        op
            A movement of one operand.
        dims
            Any numbers for the symbolic dimensions.

        Raises
        ------
        QuantizationError
            If the movement mixes rows.
        """
        if len(op.inputs) != 1:
            raise QuantizationError(
                f"movement {op.name!r} picks by computed indices from rows that have shifts of "
                "their own, which has no form here"
            )
        after = replace(self, moves=(*self.moves, op))
        shape = resolve_shape(self.shape, dims)
        rows = np.arange(int(np.prod(shape[:-1]))).reshape(*shape[:-1], 1)
        labels = move_labels(after.moves, np.broadcast_to(rows, shape), dims)
        if not bool((labels == labels[..., :1]).all()):
            raise QuantizationError(
                f"movement {op.name!r} mixes rows that have shifts of their own; only splitting a "
                "token into heads, putting heads together and turning axes have a form here"
            )
        return after

    def aligned(self, values: NDArray[Any], dims: Mapping[str, int]) -> NDArray[Any]:
        """The numbers in the order of the moved tensor's rows, (..., 1)."""
        if not self.moves:
            return values
        spread = np.broadcast_to(values, resolve_shape(self.shape, dims))
        return move_labels(self.moves, spread, dims)[..., :1]
