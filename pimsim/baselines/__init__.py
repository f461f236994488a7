"""The same workload on other machines: GPUs, from data sheets and published runs.

Which question this package answers: *how fast would a GPU be, at which energy, and how sure is
that?*
"""

from pimsim.baselines.comparison import Comparison, compared, default_baselines
from pimsim.baselines.prediction import GpuPrediction, predict
from pimsim.baselines.specification import known_gpus, load_gpu

__all__ = [
    "Comparison",
    "GpuPrediction",
    "compared",
    "default_baselines",
    "known_gpus",
    "load_gpu",
    "predict",
]
