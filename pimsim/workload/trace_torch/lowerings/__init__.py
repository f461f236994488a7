"""What each ATen operation becomes in a workload.

Which question this package answers: *which PyTorch operations can be traced, and to what?*

:data:`LOWERINGS` holds one function per ATen name with overload, ``aten.linear.default``; the
modules of this package register ours, a plug-in adds one under a new name in the entry-point group
``pimsim.lowerings``. A lowering that meets a case it does not cover raises; none drops anything
that would change a value.
"""

from pimsim.workload.trace_torch.lowerings import (  # noqa: F401  imported to register
    elementwise,
    functions,
    indexing,
    movement,
    pooling,
    products,
    reductions,
    sources,
)
from pimsim.workload.trace_torch.lowerings.table import LOWERINGS, Lowering

__all__ = ["LOWERINGS", "Lowering"]
