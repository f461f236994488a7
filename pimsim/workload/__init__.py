"""The traced transformer: its graph, its files, its float32 reference.

Which question this package answers: *what does the network compute, on which data, and what does
it answer in full precision?* :mod:`pimsim.workload.trace_torch` makes a workload from a PyTorch
model; it alone imports torch, and nothing imports it unless asked to.
"""

from pimsim.workload.files import load_workload
from pimsim.workload.files import save as save_workload
from pimsim.workload.graph import AttentionGroup, Op, Samples, TensorSpec, Workload

__all__ = [
    "AttentionGroup",
    "Op",
    "Samples",
    "TensorSpec",
    "Workload",
    "load_workload",
    "save_workload",
]
