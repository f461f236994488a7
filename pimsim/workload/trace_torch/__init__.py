"""Make a workload from a PyTorch model; the only package that imports torch.

Which question this package answers: *what does this model compute, as data?*

:mod:`~pimsim.workload.trace_torch.export` exports the model with named dimensions,
:mod:`~pimsim.workload.trace_torch.decompositions` says what torch takes apart,
:mod:`~pimsim.workload.trace_torch.lowerings` what each ATen operation becomes, and
:mod:`~pimsim.workload.trace_torch.tracer` puts it together. Import this package only where a model
is traced: without torch the import raises :class:`~pimsim.errors.MissingExtraError` with the
command that installs it.
"""

from pimsim.errors import MissingExtraError

try:
    import torch  # noqa: F401  the check itself
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError(
        "tracing a model needs PyTorch, which is not installed; "
        "install it with: pip install 'pimsim[torch]'"
    ) from error

from pimsim.workload.trace_torch.emitter import Emitter, Value
from pimsim.workload.trace_torch.lowerings import LOWERINGS, Lowering
from pimsim.workload.trace_torch.progress import Progress
from pimsim.workload.trace_torch.tracer import trace

__all__ = ["LOWERINGS", "Emitter", "Lowering", "Progress", "Value", "trace"]
