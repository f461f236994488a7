"""Run the PyTorch model behind a workload on a GPU; imports torch, as the tracer does.

Which question this package answers: *how does one start a batch of this model, and time it on the
device?*

:mod:`~pimsim.baselines.measure_torch.models` builds the model and its inputs,
:mod:`~pimsim.baselines.measure_torch.device` runs and times it;
:mod:`pimsim.baselines.measurement` says how that becomes a row. Without torch the import raises
:class:`~pimsim.errors.MissingExtraError`.
"""

from pimsim.errors import MissingExtraError

try:
    import torch  # noqa: F401  the check itself
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError(
        "measuring needs an NVIDIA GPU and PyTorch, which is not installed; install it with: "
        "pip install 'pimsim[gpu]'"
    ) from error

from pimsim.baselines.measure_torch.device import CpuTimer, CudaTimer, found_gpu
from pimsim.baselines.measure_torch.models import Prepared, prepare, subject

__all__ = ["CpuTimer", "CudaTimer", "Prepared", "found_gpu", "prepare", "subject"]
