"""Run a workload in float32 with NumPy: the reference for every accuracy that pimsim states.

Which question this package answers: *what does the network answer when nothing is quantized?*

:func:`run` executes the graph op by op and hands every tensor to an observer; calibration sees the
ranges of all activations this way. Functions of the data-movement kinds work on any element type
(:func:`apply_movement`), as does :func:`unfold_convolution`, so that integer and analog execution
move values exactly as the reference does.

One module per family of kinds: :mod:`products`, :mod:`functions`, :mod:`elementwise`,
:mod:`reductions`, :mod:`sources` and :mod:`movement`; :mod:`executor` joins them.

Not modelled: PyTorch's own order of summation. Outputs agree with the traced model to float32
rounding (1e-4 of the largest output is asserted for every model that is traced in the tests), not
bit for bit.
"""

from pimsim.workload.reference.executor import Observer, bind_inputs, execute, run
from pimsim.workload.reference.movement import apply_movement
from pimsim.workload.reference.operands import Array
from pimsim.workload.reference.products import unfold_convolution

__all__ = [
    "Array",
    "Observer",
    "apply_movement",
    "bind_inputs",
    "execute",
    "run",
    "unfold_convolution",
]
