"""A workload small enough to write down: one linear layer and a softmax."""

import functools
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pimsim.workload.files import save
from pimsim.workload.graph import Op, Samples, TensorSpec, Workload

Document = dict[str, Any]


@pytest.fixture
def document() -> Document:
    """graph.json of the tiny workload, free to be spoilt."""
    return {
        "format_version": 1,
        "name": "tiny",
        "task": "image-classification",
        "factory": "models.py:tiny",
        "dims": {"batch": [1, 64]},
        "inputs": ["x"],
        "outputs": ["answer"],
        "tensors": {
            "x": {"shape": ["batch", 3], "dtype": "float32", "kind": "input"},
            "fc.weight": {"shape": [2, 3], "dtype": "float32", "kind": "weight"},
            "fc.bias": {"shape": [2], "dtype": "float32", "kind": "weight"},
            "fc": {"shape": ["batch", 2], "dtype": "float32", "kind": "activation"},
            "answer": {"shape": ["batch", 2], "dtype": "float32", "kind": "activation"},
        },
        "ops": [
            {
                "name": "fc",
                "kind": "linear",
                "inputs": ["x", "fc.weight", "fc.bias"],
                "outputs": ["fc"],
                "attributes": {},
                "group": None,
            },
            {
                "name": "answer",
                "kind": "softmax",
                "inputs": ["fc"],
                "outputs": ["answer"],
                "attributes": {"axis": -1},
                "group": None,
            },
        ],
    }


@pytest.fixture
def tiny() -> Workload:
    """The same workload in memory, with weights and five samples."""
    generator = np.random.default_rng(0)
    images = generator.normal(size=(7, 3)).astype(np.float32)
    weight = generator.normal(size=(2, 3)).astype(np.float32)
    bias = generator.normal(size=2).astype(np.float32)
    exponentials = np.exp(images[2:] @ weight.T + bias)
    reference = exponentials / exponentials.sum(axis=1, keepdims=True)
    return Workload(
        name="tiny",
        task="image-classification",
        factory="models.py:tiny",
        dims={"batch": (1, 64)},
        inputs=("x",),
        outputs=("answer",),
        tensors={
            "x": TensorSpec("x", ("batch", 3), "float32", "input"),
            "fc.weight": TensorSpec("fc.weight", (2, 3), "float32", "weight"),
            "fc.bias": TensorSpec("fc.bias", (2,), "float32", "weight"),
            "fc": TensorSpec("fc", ("batch", 2), "float32", "activation"),
            "answer": TensorSpec("answer", ("batch", 2), "float32", "activation"),
        },
        ops=(
            Op("fc", "linear", ("x", "fc.weight", "fc.bias"), ("fc",)),
            Op("answer", "softmax", ("fc",), ("answer",), {"axis": -1}),
        ),
        weights={"fc.weight": weight, "fc.bias": bias},
        samples=Samples(
            calibration={"x": images[:2]},
            evaluation={"x": images[2:]},
            labels=reference.argmax(axis=1),
            reference={"answer": reference},
        ),
    )


@pytest.fixture
def tiny_folder(tiny: Workload, tmp_path: Path) -> Path:
    """The tiny workload on disk."""
    folder = tmp_path / "tiny"
    save(tiny, folder)
    return folder


@pytest.fixture
def edit(document: Document) -> Callable[..., Document]:
    """Set one value of the document by its path of keys; ``None`` as the value deletes nothing."""

    def change(*path: str | int, to: object) -> Document:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to
        return document

    return change


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """Load the build script of a workload as a module: ``script("vit_fashion")``."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).parents[2] / "workloads" / name / "build.py"
        spec = importlib.util.spec_from_file_location(f"{name}_build", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return functools.cache(load)
