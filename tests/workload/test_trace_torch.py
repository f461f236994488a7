"""Tracing PyTorch models: names, dimensions, groups, and what is refused."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pimsim.errors import MissingExtraError, UnsupportedOpError, WorkloadError
from pimsim.workload.files import load, save
from pimsim.workload.graph import MOVEMENT_KINDS, Workload
from pimsim.workload.reference import run

if TYPE_CHECKING:
    import torch
    from torch import nn


def transformer(*, division: bool = False) -> "nn.Module":
    """A pre-norm block with eager attention on (batch, seq, 12), mean-free output."""
    import torch
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value, self.output = (nn.Linear(12, 12) for _ in range(4))

        def split(self, x: "torch.Tensor") -> "torch.Tensor":
            return x.view(x.shape[0], x.shape[1], 3, 4).transpose(1, 2)

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            query, key = self.split(self.query(x)), self.split(self.key(x))
            logits = query @ key.transpose(-1, -2)
            logits = logits / 2.0 if division else logits * 0.5
            context = torch.softmax(logits, dim=-1) @ self.split(self.value(x))
            return self.output(context.transpose(1, 2).reshape(x.shape))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.LayerNorm(12), nn.LayerNorm(12)
            self.attention = Attention()
            self.mlp = nn.Sequential(
                nn.Linear(12, 20), nn.GELU(approximate="tanh"), nn.Dropout(0.5), nn.Linear(20, 12)
            )

        def forward(self, tokens: "torch.Tensor") -> "torch.Tensor":
            tokens = tokens + self.attention(self.first(tokens))
            return tokens + self.mlp(self.second(tokens))

    torch.manual_seed(0)
    return Block().eval()


def module(body: Any, **children: "nn.Module") -> "nn.Module":
    """A module whose ``forward`` is ``body(self, x)``."""
    from torch import nn

    class Custom(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, child in children.items():
                setattr(self, name, child)

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return body(self, x)

    return Custom().eval()


def traced(model: "nn.Module", *shape: int, **options: Any) -> Workload:
    import torch

    from pimsim.workload.trace_torch import trace

    return trace(model, (torch.randn(*shape),), name="probe", **options)


def assert_equal_to_torch(workload: Workload, model: "nn.Module", *shape: int) -> None:
    import torch

    x = torch.from_numpy(np.random.default_rng(1).normal(size=shape).astype(np.float32))
    with torch.no_grad():
        expected = model(x).numpy()
    result = run(workload, x.numpy())[workload.outputs[0]]
    assert np.abs(result - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.torch
@pytest.mark.parametrize("examples", [1, 2, 3])
def test_the_trace_equals_the_model_at_any_batch_and_length(examples: int) -> None:
    model = transformer()
    workload = traced(model, examples, 5, 12)
    assert workload.inputs == ("tokens",)
    assert workload.tensors["tokens"].shape == ("batch", "seq", 12)
    assert workload.dims["batch"] == (1, 65536)
    for batch, seq in ((1, 5), (2, 9), (3, 2)):
        assert_equal_to_torch(workload, model, batch, seq, 12)


@pytest.mark.torch
def test_operations_and_weights_have_the_names_of_the_model() -> None:
    workload = traced(transformer(), 2, 5, 12)
    names = {op.name: op.kind for op in workload.ops}
    assert names["attention.query"] == names["mlp.0"] == "linear"
    assert names["first"] == "layer_norm"
    assert names["mlp.1"] == "gelu"
    assert names["attention.matmul"] == names["attention.matmul_1"] == "matmul"
    assert names["attention.mul"] == "mul"
    assert names["attention.softmax"] == "softmax"
    assert names["add"] == names["add_1"] == "add"  # of the model's own forward
    assert all(op.outputs == (op.name,) for op in workload.ops)
    parameters = dict(transformer().named_parameters())
    assert workload.weights.keys() == parameters.keys()
    for name, value in parameters.items():
        assert workload.tensors[name].kind == "weight"
        assert np.array_equal(workload.weights[name], value.detach().numpy())


@pytest.mark.torch
def test_attention_is_grouped_with_its_scale() -> None:
    roles = {
        op.name: (op.group.role, op.group.name, op.group.heads, op.group.causal)
        for op in traced(transformer(), 2, 5, 12).ops
        if op.group is not None
    }
    assert roles == {
        f"attention.{name}": (role, "attention", 3, False)
        for name, role in {
            "query": "query",
            "key": "key",
            "value": "value",
            "matmul": "logits",
            "mul": "scale",
            "softmax": "softmax",
            "matmul_1": "context",
            "output": "output",
        }.items()
    }


@pytest.mark.torch
def test_two_traces_of_one_model_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(traced(transformer(), 2, 5, 12), tmp_path / name)
    for file in ("graph.json", "weights.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert load(tmp_path / "one").ops == traced(transformer(), 2, 5, 12).ops


@pytest.mark.torch
def test_a_length_the_model_fixes_is_no_dimension() -> None:
    import torch
    from torch import nn

    table = nn.Embedding(5, 12)
    model = module(lambda self, x: x + self.table.weight, table=table)
    workload = traced(model, 2, 5, 12)
    assert workload.tensors["x"].shape == ("batch", 5, 12)
    assert workload.dims.keys() == {"batch"}
    assert torch.equal(torch.from_numpy(workload.weights["table.weight"]), table.weight)


@pytest.mark.torch
def test_dimensions_can_be_named_and_sizes_become_expressions() -> None:
    def body(self: Any, x: "torch.Tensor") -> "torch.Tensor":
        import torch

        doubled = torch.cat([x, x[:, :1]], dim=1)
        return doubled.reshape(x.shape[0] * (x.shape[1] + 1), -1)

    workload = traced(module(body), 2, 5, 3, dynamic={"x": {0: "images", 1: "patches"}})
    assert workload.dims == {"images": (1, 65536), "patches": (1, 65536)}
    out = workload.tensors[workload.outputs[0]]
    assert out.resolved({"images": 4, "patches": 6}) == (28, 3)
    assert_equal_to_torch(workload, module(body), 4, 6, 3)


@pytest.mark.torch
def test_differences_and_halves_of_a_dimension_become_expressions() -> None:
    def body(self: Any, x: "torch.Tensor") -> "torch.Tensor":
        shorter = x[:, :-1] + x[:, 1:]
        return shorter[:, : x.shape[1] // 2]

    model = module(body)
    workload = traced(model, 2, 8, 3)
    seq = {"batch": 1, "seq": 9}
    assert workload.tensors[workload.ops[0].output].resolved(seq) == (1, 8, 3)
    assert workload.tensors[workload.outputs[0]].resolved(seq) == (1, 4, 3)
    assert_equal_to_torch(workload, model, 3, 9, 3)


@pytest.mark.torch
def test_sizes_are_written_in_the_language_of_shapes() -> None:
    import sympy
    from torch.utils._sympy.functions import FloorDiv, Max, Min, Mod

    from pimsim.workload.shapes import evaluate
    from pimsim.workload.trace_torch.expressions import expression

    n, m = sympy.symbols("s0 s1", integer=True, positive=True)
    names = {"s0": "batch", "s1": "seq"}
    cases = (
        n * 17, n + m - 3, n**3 * m, FloorDiv(n * m + 1, 2 * m), 2 * (m - n) + 5 * n, -n - m,
        -2 * n, Mod(n * m, 4), Max(1, n - m), Min(n, m + 2), Max(-3, n - 9), sympy.Integer(-4),
    )  # fmt: skip
    for case in cases:
        text = expression(case, names)
        assert text is not None
        assert evaluate(text, {"batch": 7, "seq": 5}) == int(case.subs({n: 7, m: 5}))
    for case in (sympy.sqrt(n), n / 2, sympy.Symbol("u0") + n):
        assert expression(case, names) is None


@pytest.mark.torch
def test_a_module_used_twice_and_one_that_does_two_things_are_told_apart() -> None:
    from torch import nn

    both = module(lambda self, x: (x + 1.0) * 2.0)
    model = module(lambda self, x: self.both(self.fc(self.fc(x))), fc=nn.Linear(3, 3), both=both)
    assert [op.name for op in traced(model, 2, 3).ops] == ["fc", "fc_1", "both.add", "both.mul"]


@pytest.mark.torch
def test_buffers_are_constants_and_unused_parameters_are_left_out() -> None:
    import torch
    from torch import nn

    inner = module(lambda self, x: x * self.gain)
    inner.register_buffer("gain", torch.arange(3.0))
    workload = traced(
        module(lambda self, x: self.inner(x), inner=inner, pooler=nn.Linear(3, 3)), 2, 3
    )
    assert workload.tensors["inner.gain"].kind == "constant"
    assert workload.weights.keys() == {"inner.gain"}


@pytest.mark.torch
def test_movement_is_lowered_with_its_meaning() -> None:
    def body(self: Any, x: "torch.Tensor") -> "torch.Tensor":
        import torch

        first = x[:, 1:-1:2].unsqueeze(1).expand(-1, 2, -1, -1)
        second = x.permute(0, 2, 1)[:, :, -2].squeeze(-1).view(-1, 1, 1, x.shape[2])
        return torch.cat([first, second.expand(-1, 2, -1, -1)], dim=2).flatten(1)

    workload = traced(module(body), 2, 7, 4, dynamic={"x": {0: "batch"}})
    kinds = {"view", "permute", "expand", "slice", "select", "cat"}
    assert {op.kind for op in workload.ops} == kinds < MOVEMENT_KINDS
    assert_equal_to_torch(workload, module(body), 3, 7, 4)


@pytest.mark.torch
def test_a_convolution_keeps_its_attributes() -> None:
    from torch import nn

    conv = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
    model = module(lambda self, x: self.conv(x), conv=conv)
    workload = traced(model, 2, 4, 6, 7)
    assert workload.ops[0].attributes == {
        "stride": (2, 1),
        "padding": (1, 0),
        "dilation": (1, 2),
        "groups": 2,
    }
    assert_equal_to_torch(workload, model, 3, 4, 6, 7)


@pytest.mark.torch
def test_every_unsupported_operation_is_named_with_module_line_and_remedy() -> None:
    import torch

    class Inner(torch.nn.Module):
        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return x + torch.topk(x, 3).values

    inner = Inner().eval()
    model = module(lambda self, x: torch.atan(self.inner(x)) + torch.atan(x), inner=inner)
    with pytest.raises(UnsupportedOpError) as caught:
        traced(model, 2, 3)
    first, second, supported, remedy = str(caught.value).splitlines()
    here = Path(__file__).name
    assert first.startswith("aten.topk.default in module 'inner' (")
    assert f"{here}:" in first
    assert first.endswith(": return x + torch.topk(x, 3).values): no lowering")
    assert second.startswith("aten.atan.default in the model's own forward (")
    assert supported.startswith("supported: ")
    assert "aten.linear.default" in supported
    assert "pimsim.workload.trace_torch.LOWERINGS" in remedy
    assert "'pimsim.lowerings'" in remedy


@pytest.mark.torch
def test_cases_that_a_lowering_does_not_cover_are_refused() -> None:
    import torch
    from torch import nn

    cases = {
        "bits of integers": lambda x: x * (x.long() & 3),
        "dropout while training": lambda x: nn.functional.dropout(x, 0.5, training=True),
        "a mask as an index": lambda x: x[x > 0],
        "the norm of order 3": lambda x: torch.linalg.vector_norm(x, 3, dim=1),
        "aten._fft_r2c.default in the model": lambda x: torch.fft.fft(x).real,
    }
    for reason, function in cases.items():
        with pytest.raises(UnsupportedOpError, match=reason):
            traced(module(lambda self, x, function=function: function(x)), 2, 4)


@pytest.mark.torch
def test_a_lowering_can_be_added_and_may_take_several_operations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from pimsim.workload.trace_torch import LOWERINGS

    model = module(lambda self, x: torch.asinh(x) * 2.0)
    with pytest.raises(
        UnsupportedOpError, match=r"aten\.asinh\.default in the model's own forward"
    ):
        traced(model, 2, 5)

    def asinh(node: Any, emitter: Any) -> None:
        square = emitter.step(node, "mul", [node.args[0], node.args[0]])
        root = emitter.step(node, "sqrt", [emitter.step(node, "add", [square], {"scalar": 1.0})])
        emitter.emit(node, "log", [emitter.step(node, "add", [root, node.args[0]])])

    monkeypatch.setitem(LOWERINGS._entries, "aten.asinh.default", asinh)
    workload = traced(model, 2, 5)
    assert [op.kind for op in workload.ops] == ["mul", "add", "sqrt", "add", "log", "mul"]
    assert_equal_to_torch(workload, model, 3, 4)


@pytest.mark.torch
def test_a_wrong_lowering_is_caught_before_the_workload_is_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pimsim.workload.trace_torch import LOWERINGS

    def wrong(node: Any, emitter: Any) -> None:
        emitter.emit(node, "softmax", node.args[:1], {"axis": -2})

    monkeypatch.setitem(LOWERINGS._entries, "aten.softmax.int", wrong)
    with pytest.raises(
        WorkloadError, match=r"output 'add_1' differs from the model's by [0-9.e-]+ at"
    ):
        traced(transformer(), 2, 5, 12)


@pytest.mark.torch
def test_a_model_in_training_mode_is_refused_with_the_module() -> None:
    model = transformer()
    model.get_submodule("mlp").train()
    with pytest.raises(WorkloadError, match=r"module 'mlp' is in training mode; call model\.eval"):
        traced(model, 2, 5, 12)
    with pytest.raises(WorkloadError, match=r"the model is in training mode; call model\.eval"):
        traced(model.train(), 2, 5, 12)


@pytest.mark.torch
def test_arguments_that_do_not_fit_are_refused() -> None:
    import torch
    from torch import nn

    from pimsim.workload.trace_torch import trace

    fc = nn.Linear(3, 3).eval()
    x = torch.ones(2, 3)
    with pytest.raises(WorkloadError, match="got int"):
        trace(fc, (1,), name="probe")  # type: ignore[arg-type]
    with pytest.raises(WorkloadError, match="got nothing"):
        trace(fc, (), name="probe")
    with pytest.raises(WorkloadError, match=r"2 example inputs do not fit Linear\.forward"):
        trace(fc, (x, x), name="probe")
    with pytest.raises(WorkloadError, match=r"dynamic names the input 'inputs', .* mean 'input'"):
        trace(fc, (x,), name="probe", dynamic={"inputs": {0: "batch"}})
    with pytest.raises(WorkloadError, match="input 'input' has 2 axes, no axis 2"):
        trace(fc, (x,), name="probe", dynamic={"input": {2: "seq"}})
    with pytest.raises(WorkloadError, match="'tokens'; known are 'batch'"):
        trace(fc, (x,), name="probe", dynamic=("tokens",))
    with pytest.raises(WorkloadError, match=r"'seq', axis 1 of .* 'input' \(2, 3, 1, 1\)"):
        trace(fc, (torch.ones(2, 3, 1, 1),), name="probe", dynamic=("batch", "seq"))
    with pytest.raises(WorkloadError, match=r"the model must be a torch\.nn\.Module, got function"):
        trace(lambda x: x, (x,))  # type: ignore[arg-type]
    with pytest.raises(WorkloadError, match=r"takes \*x; wrap the model"):
        trace(variadic(), (x, x), name="probe")


def variadic() -> "nn.Module":
    from torch import nn

    class Sum(nn.Module):
        def forward(self, *x: "torch.Tensor") -> "torch.Tensor":
            return x[0] + x[1]

    return Sum().eval()


@pytest.mark.torch
def test_a_model_that_cannot_be_exported_is_refused_with_torchs_reason() -> None:
    model = module(lambda self, x: x + 1.0 if float(x.sum()) > 0 else x)
    with pytest.raises(WorkloadError, match=r"torch\.export cannot export Custom: "):
        traced(model, 2, 3)


@pytest.mark.torch
def test_a_model_that_returns_no_tensor_is_refused() -> None:
    model = module(lambda self, x: {"count": 3})
    with pytest.raises(WorkloadError, match=r"Custom returns no tensor but a dict; the model must"):
        traced(model, 2, 3)


@pytest.mark.torch
def test_a_model_that_keeps_state_is_refused() -> None:
    import torch

    def body(self: Any, x: "torch.Tensor") -> "torch.Tensor":
        self.count.add_(1.0)
        return x + self.count

    model = module(body)
    model.register_buffer("count", torch.zeros(1))
    with pytest.raises(WorkloadError, match="the model changes 'count' while it runs"):
        traced(model, 2, 3)


def test_without_torch_the_import_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pimsim.workload.trace_torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"not installed; .* pip install 'pimsim\[torch\]'"):
        importlib.import_module("pimsim.workload.trace_torch")
