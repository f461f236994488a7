"""What a model may be like: how it is written, where it is, what it takes, returns and stores."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pimsim.errors import WorkloadError
from pimsim.workload.files import load, save
from pimsim.workload.graph import Workload
from pimsim.workload.reference import run

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

pytestmark = pytest.mark.torch

SHAPES = ((1, 4), (2, 9), (3, 2))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def module(body: Any, **members: Any) -> "nn.Module":
    """A module whose ``forward`` is ``body(self, x)``; tensors among the members are buffers."""
    import torch
    from torch import nn

    class Custom(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, member in members.items():
                if isinstance(member, torch.Tensor) and not isinstance(member, nn.Parameter):
                    self.register_buffer(name, member)
                else:
                    setattr(self, name, member)

        def forward(self, x: "torch.Tensor") -> Any:
            return body(self, x)

    return Custom().eval()


def traced(model: "nn.Module", *examples: "torch.Tensor", **options: Any) -> Workload:
    from pimsim.workload.trace_torch import trace

    return trace(model, examples, **options)


def assert_same(workload: Workload, model: "nn.Module", *inputs: "torch.Tensor") -> None:
    import torch

    from pimsim.workload.trace_torch.wrapper import traceable

    with torch.no_grad(), traceable(model):
        expected = model(*inputs)
    tensors = expected if isinstance(expected, tuple) else (expected,)
    outputs = run(workload, *(value.numpy() for value in inputs)).values()
    for found, tensor in zip(outputs, tensors, strict=True):
        exact = tensor.numpy()
        assert found.shape == exact.shape
        assert np.abs(found - exact).max() <= 1e-5 * np.abs(exact).max()


def layer(workload: Workload) -> tuple[int, int, bool]:
    """Heads, heads of the keys and causality, the same in all attention layers."""
    groups = [op.group for op in workload.ops if op.group is not None]
    (found,) = {(group.heads, group.kv_heads, group.causal) for group in groups}
    return found


# --- attention as people write it --------------------------------------------------------------


def by_einsum(self: Any, x: "torch.Tensor") -> "torch.Tensor":
    import torch

    batch, seq, _ = x.shape
    query, key, value = self.qkv(x).view(batch, seq, 3, 4, 3).unbind(2)
    logits = torch.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(3)
    logits = logits.masked_fill(~self.triangle[:seq, :seq], -math.inf)
    context = torch.einsum("bhqk,bkhd->bqhd", logits.softmax(-1), value)
    return self.out(context.reshape(batch, seq, 12))


def by_bmm(self: Any, x: "torch.Tensor") -> "torch.Tensor":
    import torch

    batch, seq, _ = x.shape
    query, key, value = (
        part.reshape(batch, seq, 4, 3).transpose(1, 2).reshape(batch * 4, seq, 3)
        for part in self.qkv(x).chunk(3, -1)
    )
    hidden = torch.triu(x.new_full((seq, seq), -math.inf), 1)
    logits = torch.baddbmm(hidden.repeat(batch * 4, 1, 1), query, key.transpose(1, 2) * 3**-0.5)
    context = torch.bmm(logits.softmax(-1), value)
    return self.out(context.reshape(batch, 4, seq, 3).permute(0, 2, 1, 3).flatten(2))


def by_stack(self: Any, x: "torch.Tensor") -> "torch.Tensor":
    """One product per head, positions compared, keys and values shared by two heads."""
    import torch

    seq = x.shape[1]
    keep = torch.arange(seq) <= torch.arange(seq).unsqueeze(1)
    query, key, value = self.qkv(x).split([12, 6, 6], dim=-1)
    query = torch.stack(query.split(3, -1), 1)
    key, value = (
        torch.stack(part.split(3, -1), 1).repeat_interleave(2, dim=1) for part in (key, value)
    )
    logits = query @ key.mT * 0.5 + torch.where(keep, 0.0, -1e38)
    context = torch.softmax(logits, -1) @ value
    return self.out(torch.cat(context.unbind(1), -1))


def by_fused_function(self: Any, x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn import functional

    batch, seq, _ = x.shape
    query, key, value = self.qkv(x).split([12, 6, 6], dim=-1)
    context = functional.scaled_dot_product_attention(
        query.view(batch, seq, 4, 3).transpose(1, 2),
        key.view(batch, seq, 2, 3).transpose(1, 2),
        value.view(batch, seq, 2, 3).transpose(1, 2),
        is_causal=True,
        enable_gqa=True,
    )
    return self.out(context.transpose(1, 2).flatten(2))


@pytest.mark.parametrize(
    ("body", "width", "heads"),
    [
        (by_einsum, 36, (4, 4, True)),
        (by_bmm, 36, (4, 4, True)),
        (by_stack, 24, (4, 2, True)),
        (by_fused_function, 24, (4, 2, True)),
    ],
)
def test_attention_written_by_hand_is_traced_and_found(
    body: Any, width: int, heads: tuple[int, int, bool]
) -> None:
    import torch
    from torch import nn

    triangle = torch.tril(torch.ones(16, 16)).bool()
    model = module(body, qkv=nn.Linear(12, width), out=nn.Linear(12, 12), triangle=triangle)
    workload = traced(model, torch.randn(2, 5, 12))
    for batch, seq in SHAPES:
        assert_same(workload, model, torch.randn(batch, seq, 12))
    assert layer(workload) == heads
    softmax = next(op for op in workload.ops if op.kind == "softmax")
    before = next(op for op in workload.ops if op.output == softmax.inputs[0])
    assert before.kind == "mask"


@pytest.mark.parametrize("first", [False, True])
def test_pytorchs_encoder_takes_no_fast_path_and_no_nested_tensors(first: bool) -> None:
    import torch
    from torch import nn

    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one = nn.TransformerEncoderLayer(12, 4, 20, batch_first=True, norm_first=first)
            self.encoder = nn.TransformerEncoder(one, 2, enable_nested_tensor=not first)

        def forward(self, x: "torch.Tensor", padding: "torch.Tensor") -> "torch.Tensor":
            result: torch.Tensor = self.encoder(x, src_key_padding_mask=padding)
            return result

    model = Padded().eval()
    padding = torch.zeros(2, 5, dtype=torch.bool)
    workload = traced(model, torch.randn(2, 5, 12), padding)
    assert torch.backends.mha.get_fastpath_enabled()
    for batch, seq in SHAPES:
        padding = torch.zeros(batch, seq, dtype=torch.bool)
        padding[0, -1] = seq > 1
        assert_same(workload, model, torch.randn(batch, seq, 12), padding)
    assert layer(workload) == (4, 4, False)
    assert {op.kind for op in workload.ops} >= {"linear", "layer_norm", "relu", "softmax", "mask"}


def test_pytorchs_decoder_is_traced_with_its_mask() -> None:
    import torch
    from torch import nn

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one = nn.TransformerDecoderLayer(12, 4, 20, batch_first=True)
            self.decoder = nn.TransformerDecoder(one, 1)

        def forward(self, x: "torch.Tensor", memory: "torch.Tensor") -> "torch.Tensor":
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            result: torch.Tensor = self.decoder(x, memory, tgt_mask=mask)
            return result

    model = Decoder().eval()
    workload = traced(model, torch.randn(2, 5, 12), torch.randn(2, 7, 12))
    assert workload.dims.keys() == {"batch", "seq", "memory_seq"}
    assert_same(workload, model, torch.randn(3, 4, 12), torch.randn(3, 9, 12))
    causal = {op.group.name: op.group.causal for op in workload.ops if op.group is not None}
    assert sorted(causal.values()) == [False, True]


# --- the breadth of operations -----------------------------------------------------------------


def activations(x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn import functional as f

    return (
        f.hardswish(x) + f.leaky_relu(x) + f.elu(x) + f.softplus(x) + f.relu6(x) + f.mish(x)
        + f.hardsigmoid(x) + f.selu(x) + f.glu(x.repeat(1, 1, 2)) + f.log_softmax(x, -1)
    )  # fmt: skip


def reductions(x: "torch.Tensor") -> "torch.Tensor":
    import torch

    return (
        x.std(-1) + x.var(-1, correction=0) + torch.logsumexp(x, -1) + x.amax(-1) - x.min(-1).values
        + x.norm(dim=-1) + x.abs().cumsum(-1).mean(-1) + (x > 0).any(-1) + x.argmax(-1)
    )  # fmt: skip


def movements(x: "torch.Tensor") -> "torch.Tensor":
    import torch
    from torch.nn import functional as f

    rolled = torch.roll(x, 1, 1) + x.flip(1) + f.pad(x, (1, 2))[..., 1:-2] + f.pad(x, (-1, 1))
    index = torch.arange(x.shape[1] - 1, -1, -1)
    gathered = x.gather(2, torch.zeros_like(x, dtype=torch.int64)) + x[:, index]
    joined = torch.stack([rolled, gathered, x.tile(1, 1, 1)]).amax(0)
    return joined + torch.tril(x @ x.mT)[:, :, :1]


def numbers(x: "torch.Tensor") -> "torch.Tensor":
    import torch

    steps = torch.arange(x.shape[1], dtype=x.dtype)[:, None]
    kept = (x > 0.5) | ~((x < 0) & (x != -1)) ^ (x == 0)
    return (
        torch.where(kept, x.clamp(-1, 1), x.sign() * x.abs().sqrt()) + torch.expm1(-x.abs())
        + torch.log1p(x * x) + x.floor() - x.ceil() + x.round() - x.trunc() + torch.fmod(x, 0.7)
        + torch.remainder(x, 0.7) + 2.0 - 1.0 / (3.0 + x.sin() * x.cos()) + steps // 2 + steps % 3
        + torch.pow(2.0, x) + torch.maximum(x, x * x) + torch.rsqrt(x.exp()) - x.size(1)
    )  # fmt: skip


@pytest.mark.parametrize("body", [activations, reductions, movements, numbers])
def test_operations_of_many_kinds_equal_pytorch(body: Any) -> None:
    import torch

    model = module(lambda self, x: body(x))
    workload = traced(model, torch.randn(2, 5, 6))
    for batch, seq in ((1, 3), (2, 8)):
        assert_same(workload, model, torch.randn(batch, seq, 6))


def test_an_image_model_with_norms_pooling_and_resizing_equals_pytorch() -> None:
    import torch
    from torch import nn
    from torch.nn import functional as f

    def body(self: Any, x: "torch.Tensor") -> "torch.Tensor":
        y = self.groups(self.batch_norm(self.conv(x)))
        y = y + f.interpolate(self.positions, (4, 4), mode="bicubic")
        y = f.max_pool2d(y, 3, 1, 1) + f.avg_pool2d(y, 2, 2).repeat(1, 1, 2, 2)
        return self.head(f.adaptive_avg_pool2d(y, 1).flatten(1))

    model = module(
        body,
        conv=nn.Conv2d(3, 8, 4, 4),
        batch_norm=nn.BatchNorm2d(8),
        groups=nn.GroupNorm(2, 8),
        positions=nn.Parameter(torch.randn(1, 8, 2, 2)),
        head=nn.utils.parametrizations.weight_norm(nn.Linear(8, 5)),
    )
    workload = traced(model, torch.randn(2, 3, 16, 16))
    assert_same(workload, model, torch.randn(3, 3, 16, 16))
    head = next(op for op in workload.ops if op.name.startswith("head") and op.kind == "linear")
    assert workload.tensors[head.inputs[1]].kind == "weight"  # normalized when it was traced
    assert workload.tensors[head.inputs[1]].shape == (5, 8)


# --- the model itself --------------------------------------------------------------------------


def perceptron(**options: Any) -> "nn.Module":
    from torch import nn

    return nn.Sequential(nn.Linear(6, 8, **options), nn.GELU(), nn.LayerNorm(8, **options)).eval()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_model_of_another_floating_type_is_float32_in_the_workload(dtype: str) -> None:
    import torch

    kind = getattr(torch, dtype)
    model = perceptron(dtype=kind)
    workload = traced(model, torch.randn(2, 3, 6, dtype=kind))
    assert {spec.dtype for spec in workload.tensors.values()} == {"float32"}
    assert all(parameter.dtype == kind for parameter in model.parameters())
    weight = model.get_parameter("0.weight").detach()
    assert np.array_equal(workload.weights["0.weight"], weight.float().numpy())
    assert_same(workload, model.float(), torch.randn(3, 4, 6))


def test_float32_weights_are_shared_with_the_model_not_copied() -> None:
    import torch

    model = perceptron()
    workload = traced(model, torch.randn(2, 3, 6))
    for name, parameter in model.named_parameters():
        assert np.shares_memory(workload.weights[name], parameter.detach().numpy())


def test_weights_that_are_not_contiguous_are_stored_as_they_read(tmp_path: "Path") -> None:
    import torch
    from torch import nn

    model = nn.Linear(6, 6).eval()
    model.weight = nn.Parameter(torch.randn(6, 6).t())
    workload = traced(model, torch.randn(2, 6))
    save(workload, tmp_path / "w")
    assert np.array_equal(load(tmp_path / "w").weights["weight"], model.weight.detach().numpy())


def test_a_transposed_weight_survives_the_file(tmp_path: "Path") -> None:
    import torch
    from torch import nn

    model = module(lambda self, x: x @ self.weight, weight=nn.Parameter(torch.randn(6, 4)))
    workload = traced(model, torch.randn(2, 3, 6))
    assert [op.kind for op in workload.ops] == ["linear"]
    save(workload, tmp_path / "w")
    assert_same(load(tmp_path / "w"), model, torch.randn(3, 2, 6))


def test_a_model_on_the_meta_device_gives_the_same_graph_without_weights() -> None:
    import torch

    real = traced(perceptron(), torch.randn(2, 3, 6))
    with torch.device("meta"):
        model = perceptron()
    shapes = traced(model, torch.randn(2, 3, 6))
    assert shapes.shape_only
    assert not shapes.weights
    assert (shapes.ops, shapes.tensors, shapes.dims) == (real.ops, real.tensors, real.dims)


def test_a_model_on_two_devices_is_refused() -> None:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(3, 3, device="meta"), nn.Linear(3, 3)).eval()
    with pytest.raises(WorkloadError, match=r"spread over 2 devices .*'1\.bias' on cpu"):
        traced(model, torch.randn(2, 3))


def test_outputs_have_the_models_names_and_caches_are_left_out() -> None:
    def body(self: Any, x: "torch.Tensor") -> dict[str, Any]:
        parts = {"logits": x * 2.0, "loss": None, "count": 3, "past_key_values": (x, x)}
        return {**parts, "hidden_states": (x + 1.0, x + 2.0)}

    import torch

    workload = traced(module(body), torch.randn(2, 3, 4))
    assert workload.outputs == ("logits", "hidden_states.0", "hidden_states.1")
    assert [op.name for op in workload.ops] == ["mul", "add", "add_1"]


def test_a_cache_is_switched_off_while_tracing_and_on_again_after() -> None:
    from types import SimpleNamespace

    import torch

    def body(self: Any, x: "torch.Tensor") -> Any:
        return (x * 2.0, object()) if self.config.use_cache else x * 2.0

    model = module(body, config=SimpleNamespace(use_cache=True))
    assert len(traced(model, torch.randn(2, 3)).outputs) == 1
    assert model.config.use_cache is True


# --- inputs and dimensions ---------------------------------------------------------------------


def two_inputs() -> "nn.Module":
    from torch import nn

    class Chosen(nn.Module):
        def forward(
            self,
            x: "torch.Tensor",
            bias: "torch.Tensor | None" = None,
            scale: "torch.Tensor | None" = None,
        ) -> "torch.Tensor":
            y = x if bias is None else x + bias
            return y if scale is None else y * scale

    return Chosen().eval()


def test_optional_inputs_are_given_by_name_or_left_out_by_none() -> None:
    import torch

    from pimsim.workload.trace_torch import trace

    x, scale = torch.randn(2, 3), torch.randn(2, 3)
    by_name = trace(two_inputs(), {"x": x, "scale": scale})
    in_order = trace(two_inputs(), (x, None, scale))
    assert by_name.inputs == in_order.inputs == ("x", "scale")
    assert by_name.ops == in_order.ops
    assert by_name.name == "Chosen"
    with pytest.raises(WorkloadError, match=r"do not fit Chosen\.forward: .*'scales'"):
        trace(two_inputs(), {"x": x, "scales": scale})


def test_an_axis_that_the_model_fixes_is_an_error_only_where_it_was_asked_for() -> None:
    import torch
    from torch import nn

    model = module(lambda self, x: x + self.table.weight, table=nn.Embedding(5, 4))
    x = torch.randn(2, 5, 4)
    assert traced(model, x).dims.keys() == {"batch"}
    assert traced(model, x, dynamic=("batch",)).dims.keys() == {"batch"}
    with pytest.raises(WorkloadError, match=r"input 'x', axis 1: .* at 5, so that it cannot be"):
        traced(model, x, dynamic=("batch", "seq"))
    fixed = module(lambda self, x: x + self.table.weight, table=nn.Embedding(2, 4))
    with pytest.raises(WorkloadError, match=r"input 'x', axis 0: the model fixes its length at 2"):
        traced(fixed, torch.randn(2, 4))


def test_examples_of_length_one_are_repeated_but_not_where_the_model_forbids_it() -> None:
    import torch
    from torch import nn

    workload = traced(perceptron(), torch.randn(1, 1, 6))
    assert workload.tensors["input"].shape == ("batch", "seq", 6)
    assert workload.dims == {"batch": (1, 65536), "seq": (1, 65536)}
    single = nn.Linear(1, 3).eval()
    assert traced(single, torch.randn(1, 1)).tensors["input"].shape == ("batch", 1)


def test_a_length_below_what_the_model_takes_is_no_length() -> None:
    """A difference of neighbours needs two of them."""
    import torch

    workload = traced(module(lambda self, x: x[:, 1:] - x[:, :-1]), torch.randn(2, 5, 3))
    assert workload.dims == {"batch": (1, 65536), "seq": (2, 65536)}


def test_a_stored_table_ends_the_range_of_lengths() -> None:
    import torch
    from torch import nn

    model = module(
        lambda self, x: x + self.table[: x.shape[1]], table=nn.Parameter(torch.randn(9, 4))
    )
    assert traced(model, torch.randn(2, 5, 4)).dims["seq"] == (1, 9)


def test_control_flow_that_depends_on_data_names_module_and_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    import torch

    inner = module(lambda self, x: x if x.sum() > 0 else -x)
    model = module(lambda self, x: self.inner(x) + 1.0, inner=inner)
    with pytest.raises(WorkloadError) as caught:
        traced(model, torch.randn(2, 3))
    message = str(caught.value)
    assert message.startswith("torch.export cannot export Custom: ")
    assert "module 'inner'" in message
    assert "inner = module(lambda self, x: x if x.sum() > 0 else -x)" in message
    assert "aten._local_scalar_dense: " in message
    assert "select with torch.where instead" in message
    assert "supported: " in message
    assert "'pimsim.lowerings'" in message
    assert capfd.readouterr() == ("", "")


def test_progress_is_told() -> None:
    import torch

    class Watch:
        def __init__(self) -> None:
            self.stages: list[tuple[str, int | None]] = []
            self.steps = 0

        def stage(self, name: str, total: int | None) -> None:
            self.stages.append((name, total))

        def advance(self, n: int = 1) -> None:
            self.steps += n

    watch = Watch()
    traced(perceptron(), torch.randn(2, 3, 6), progress=watch)
    assert [name for name, _ in watch.stages] == ["export", "lower", "recognize", "verify"]
    assert dict(watch.stages)["lower"] == watch.steps > 0
