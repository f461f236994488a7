"""Input vectors whose ones a controller packs into reads.

Which question this module answers: *which reads do these inputs take, in the form that is needed?*
"""

from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Int32
from numpy.typing import NDArray

from pimsim.analog.bitsift import PackedReads
from pimsim.analog.read_lists import ReadLists, lists_of
from pimsim.analog.zero_skipping import PackingScheme, packing_options, scheme_of
from pimsim.config.macros import Macro


@final
class PackedInputs:
    """Packs the ones of one row block when asked, once for each form.

    Parameters
    ----------
    digits
        (planes, batch, rows) of 0 and 1.
    macro
        Its controller says how they are packed.
    scheme
        The rule that it names.
    """

    def __init__(self, digits: NDArray[np.uint8], macro: Macro, scheme: PackingScheme) -> None:
        self._digits, self._scheme = digits, scheme
        self._options = packing_options(macro)

    @cached_property
    def by_row(self) -> PackedReads:
        """The read of every row."""
        return self._scheme.pack(self._digits, **self._options)

    @cached_property
    def lists(self) -> ReadLists:
        """The rows of every read, eight at most; needs compiled kernels."""
        if self._scheme.list_reads is None:
            return lists_of(self.by_row)
        return self._scheme.list_reads(self._digits, **self._options)

    @property
    def reads(self) -> Int32[np.ndarray, "planes batch"]:
        """Reads of each bit-vector, from the form that there is."""
        return self.lists.reads if "lists" in vars(self) else self.by_row.reads


def packed_inputs(digits: NDArray[np.uint8], macro: Macro) -> PackedInputs | None:
    """Inputs as the macro's controller packs them; ``None`` if it only skips whole groups."""
    scheme = scheme_of(macro.zero_skipping.model)
    return PackedInputs(digits, macro, scheme) if isinstance(scheme, PackingScheme) else None
