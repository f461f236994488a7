"""The same workload on other machines: GPUs, from data sheets and published runs."""

from pimsim.baselines.gpu import default_baselines, known_gpus, predict

__all__ = ["default_baselines", "known_gpus", "predict"]
