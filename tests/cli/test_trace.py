"""``pimsim trace``: from a function that builds a model to a folder, and what is refused."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from pimsim.workload import load_workload
from pimsim.workload.reference import run
from tests.cli.bad_input import matches

pytestmark = pytest.mark.torch

Invoke = Callable[..., Result]

MODELS = """
import numpy as np
import torch
from torch import nn

HEIGHT = 3


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, tokens):
        return tokens + self.down(torch.relu(self.up(self.norm(tokens))))


def block():
    torch.manual_seed(0)
    return Block().eval()


def with_inputs():
    return block(), (torch.randn(2, 5, 8),)


def inputs():
    return (torch.randn(2, 7, 8),)


def by_name():
    return {"tokens": torch.randn(1, 7, 8)}


def samples():
    draw = np.random.default_rng(0)
    return {
        "calibration": {"tokens": draw.normal(size=(3, 5, 8)).astype(np.float32)},
        "evaluation": {"tokens": torch.randn(4, 5, 8, requires_grad=True)},
        "labels": torch.zeros(4, 5, dtype=torch.int64),
    }


def training():
    return Block(), (torch.randn(2, 5, 8),)


def fails():
    shape = (2, 3)
    raise ValueError("no checkpoint at /data")


def nothing():
    pass


def three():
    return block(), (torch.randn(2, 5, 8),), 3


def listed():
    return block(), [[1.0, 2.0]]


def three_words():
    return {"calibration": {}, "evaluate": {}}


def no_evaluation():
    return {"calibration": {}}


def no_arrays():
    return {"calibration": [1.0], "evaluation": {}}


def words():
    return {"calibration": {"tokens": ["a", "b"]}, "evaluation": {}}


def too_long():
    return {"calibration": {"tokens": np.zeros((3, 5, 9), np.float32)},
            "evaluation": {"tokens": np.zeros((3, 5, 9), np.float32)}}
"""


@pytest.fixture(autouse=True)
def models(tmp_path: Path) -> Iterator[None]:
    """Two files of models in the current folder; what is imported from there is forgotten."""
    before, modules = list(sys.path), set(sys.modules)
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "models.py").write_text(MODELS, encoding="utf-8")
    (tmp_path / "flat_models.py").write_text(MODELS, encoding="utf-8")
    (tmp_path / "broken.py").write_text("import torch\n\nx = = 1\n", encoding="utf-8")
    (tmp_path / "wanting.py").write_text("import not_installed_at_all\n", encoding="utf-8")
    (tmp_path / "raising.py").write_text("def f():\n    pass\n\n\n1 / 0\n", encoding="utf-8")
    yield
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        if name in ("models", "flat_models", "broken", "wanting", "raising"):
            del sys.modules[name]


def test_a_model_is_traced_from_its_file(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("trace", "zoo/models.py:with_inputs", "--output", "mine")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "mine: 5 operations, 228 parameters",
        "  inputs      tokens float32 (batch, seq, 8)",
        "  outputs     add float32 (batch, seq, 8)",
        "  dimensions  batch 1 to 65536, seq 1 to 65536",
        "  MACs        192 with stored weights, 0 between activations (batch = 1, seq = 1)",
        "  attention   no layers recognized",
        "  samples     none: a run with weights needs them, see --samples",
        "written to mine",
    ]
    workload = load_workload(tmp_path / "mine")
    assert (workload.name, workload.factory) == ("mine", "zoo/models.py:with_inputs")
    assert workload.weights.keys() == {
        "norm.weight", "norm.bias", "up.weight", "up.bias", "down.weight", "down.bias",
    }  # fmt: skip
    x = np.random.default_rng(1).normal(size=(3, 4, 8)).astype(np.float32)
    sys.path.insert(0, str(tmp_path))
    import flat_models  # type: ignore[import-not-found]

    expected = flat_models.block()(flat_models.torch.from_numpy(x)).detach().numpy()
    assert np.abs(run(workload, x)["add"] - expected).max() < 1e-5


def test_a_module_of_the_current_folder_with_inputs_and_samples(
    invoke: Invoke, tmp_path: Path
) -> None:
    result = invoke(
        "trace", "flat_models:block", "--inputs", "flat_models:by_name", "--samples",
        "flat_models:samples", "--dynamic", "batch,seq", "--name", "ffn", "--output", "out/mine",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    workload = load_workload(tmp_path / "out" / "mine")
    assert (workload.name, workload.factory) == ("ffn", "flat_models:block")
    assert workload.samples is not None
    assert workload.samples.count == 4
    assert workload.samples.labels is not None
    assert workload.samples.labels.shape == (4, 5)
    assert "samples" not in result.stdout


def test_only_the_dimensions_that_are_named_are_open(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("trace", "flat_models:with_inputs", "--dynamic", "batch", "--output", "m",
                  "--quiet").exit_code == 0  # fmt: skip
    assert load_workload(tmp_path / "m").tensors["tokens"].shape == ("batch", 5, 8)


def test_the_graph_alone(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("trace", "flat_models:with_inputs", "--no-weights", "--output", "shapes")
    assert result.exit_code == 0
    assert "weights     none: time, energy and area can be had, accuracy cannot" in result.stdout
    assert [path.name for path in (tmp_path / "shapes").iterdir()] == ["graph.json"]
    assert load_workload(tmp_path / "shapes").shape_only


def test_an_empty_folder_is_filled_and_a_path_from_elsewhere_is_not_recorded(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo" / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "zoo")
    result = invoke("trace", f"{tmp_path / 'flat_models.py'}:with_inputs", "--output", "empty")
    assert result.exit_code == 0, result.stderr
    document = json.loads((tmp_path / "zoo" / "empty" / "graph.json").read_text())
    assert document["factory"] == "flat_models.py:with_inputs"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            "models",
            "'models' must read MODULE:FUNCTION, as in models:bert or path/to/models.py:bert",
        ),
        pytest.param(
            "nowhere:bert",
            "no module 'nowhere' in <tmp> or among the installed ones; give 'bert' with the path "
            "of its file, as in path/to/nowhere.py:bert",
        ),
        pytest.param(
            "zoo/models:bert",
            "zoo/models:bert: 'zoo/models' is neither the name of a module nor a path that ends "
            "in .py",
        ),
        pytest.param(
            "zoo/nowhere.py:bert", "zoo/nowhere.py: no such file; it was to define 'bert'"
        ),
        pytest.param(
            "flat_models:blok", "flat_models has no function 'blok'; did you mean 'block'?"
        ),
        pytest.param(
            "flat_models:HEIGHT",
            "flat_models:HEIGHT is an int, not a function without arguments",
        ),
        pytest.param(
            "zoo/models.py:fails",
            "zoo/models.py:fails raised ValueError: no checkpoint at /data (zoo/models.py, line "
            "50)",
        ),
        pytest.param("broken:f", "importing broken: invalid syntax (broken.py, line 3)"),
        pytest.param(
            "wanting:f",
            "importing wanting raised ModuleNotFoundError: No module named 'not_installed_at_all' "
            "(wanting.py, line 1)",
        ),
        pytest.param(
            "raising:f",
            "importing raising raised ZeroDivisionError: division by zero (raising.py, line 5)",
        ),
        pytest.param(
            "flat_models:nothing",
            "flat_models:nothing must return a torch.nn.Module, or a module and a tuple of example "
            "tensors; it returned None",
        ),
        pytest.param(
            "flat_models:three",
            "flat_models:three must return a torch.nn.Module, or a module and a tuple of example "
            "tensors; it returned a tuple of (Block, tuple, int)",
        ),
        pytest.param(
            "flat_models:listed",
            "flat_models:listed must return a torch.nn.Module, or a module and a tuple of example "
            "tensors; it returned a module and a list, which are no example inputs",
        ),
        pytest.param(
            "flat_models:block",
            "flat_models:block returns a model without example inputs; return (model, inputs), or "
            "name a function that returns them with --inputs MODULE:FUNC",
        ),
        pytest.param(
            "flat_models:block --inputs flat_models:samples",
            "flat_models:samples must return the example inputs of the model, a tuple of tensors "
            "or a dictionary of them by argument; it returned a dict",
        ),
        pytest.param(
            "flat_models:with_inputs --samples flat_models:inputs",
            "flat_models:inputs must return pimsim.workload.Samples or a dictionary with "
            "'calibration' and 'evaluation'; it returned a tuple of (Tensor)",
        ),
        pytest.param(
            "flat_models:with_inputs --samples flat_models:three_words",
            "flat_models:three_words returned the key 'evaluate'; did you mean 'evaluation'?",
        ),
        pytest.param(
            "flat_models:with_inputs --samples flat_models:no_evaluation",
            "flat_models:no_evaluation returned no 'evaluation'; it is needed, a dictionary by "
            "input",
        ),
        pytest.param(
            "flat_models:with_inputs --samples flat_models:no_arrays",
            "flat_models:no_arrays: calibration must be a dictionary from input to array; it is a "
            "list",
        ),
        pytest.param(
            "flat_models:with_inputs --samples flat_models:words",
            "flat_models:words: calibration['tokens'] must hold numbers; it is a list",
        ),
        pytest.param(
            "flat_models:with_inputs --samples flat_models:too_long",
            "workload 'mine': calibration: workload 'mine', input 'tokens': expected shape (batch, "
            "seq, 8), got (3, 5, 9)",
        ),
        pytest.param(
            "flat_models:training",
            "the model is in training mode; call model.eval() before tracing",
        ),
        pytest.param(
            "flat_models:with_inputs --dynamic batch,sec", "dynamic names the dimension 'sec'…"
        ),
        pytest.param("flat_models:with_inputs --name 'my model'", "…my model…"),
    ],
)
def test_mistakes_are_one_message(
    invoke: Invoke, tmp_path: Path, arguments: str, message: str
) -> None:
    outcome = invoke("trace", *shlex.split(arguments), "--output", "mine")
    assert outcome.exit_code == 1
    assert isinstance(outcome.exception, SystemExit)
    assert matches(outcome.stderr, f"error: {message}\n", tmp_path), outcome.stderr
    assert outcome.stdout == ""
    assert not (tmp_path / "mine").exists()
