"""Which kernels a graph becomes, counted by hand."""

import pytest

from pimsim.baselines.kernels import Kernel, kernels
from pimsim.workload import load_workload
from pimsim.workload.graph import Op, TensorSpec, Workload
from pimsim.workload.runs import Wanted, in_phase
from tests.baselines.graphs import encoder

ONE = {"batch": 1}


def workload(ops, **shapes):
    tensors = {
        name: TensorSpec(name, shape, "float32", kind) for name, (shape, kind) in shapes.items()
    }
    outputs = (ops[-1].output,)
    return Workload("w", None, None, {}, ("x",), outputs, tensors, tuple(ops))


def of_kind(found, kind):
    return [kernel for kernel in found if kernel.kind == kind]


def test_a_layer_of_bert_is_seven_kernels():
    """Projections, attention, output, norm, up, down, norm; GELU and residuals ride along."""
    found = kernels(encoder(layers=12), ONE)
    assert sum(kernel.launches for kernel in found) == 12 * 7
    assert 2 * sum(kernel.macs for kernel in found) == pytest.approx(22.3e9, rel=5e-3)


def test_projections_of_one_tensor_read_it_once():
    projections = kernels(encoder(), ONE)[0]
    assert projections.name == "layers.0.query + key + value"
    assert projections.activation_values == (1 + 3) * 128 * 768
    assert projections.weight_values == 3 * 768 * 768
    assert (projections.rows, projections.columns) == (128, 3 * 768)


def test_one_matrix_of_three_projections_is_the_same_work():
    apart, fused = kernels(encoder(), ONE), kernels(encoder(fused=True), ONE)
    assert len(fused) == len(apart)
    assert (fused[0].macs, fused[0].activation_values, fused[0].columns) == (
        apart[0].macs,
        apart[0].activation_values,
        apart[0].columns,
    )
    assert of_kind(fused, "attention")[0].macs == of_kind(apart, "attention")[0].macs


def test_attention_keeps_its_logits_on_the_chip():
    (core,) = of_kind(kernels(encoder(), ONE), "attention")
    assert core.activation_values == 4 * 128 * 768  # queries, keys, values, context
    assert core.macs == 2 * 128 * 128 * 768
    assert (core.rows, core.columns, core.matrices) == (128, 128, 12)
    assert core.cached_values == 0


def test_causal_attention_leaves_out_what_its_mask_hides():
    """Of n x n pairs, n (n - 1) / 2 are hidden."""
    (dense,) = of_kind(kernels(encoder(), ONE), "attention")
    (causal,) = of_kind(kernels(encoder(causal=True), ONE), "attention")
    assert causal.macs == dense.macs * (128 * 129 // 2) // 128**2
    assert causal.cached_values == 2 * 128 * 768  # a decoder keeps keys and values


def test_heads_that_share_keys_read_them_once():
    (every,) = of_kind(kernels(encoder(), ONE), "attention")
    (shared,) = of_kind(kernels(encoder(kv_heads=3), ONE), "attention")
    assert every.activation_values - shared.activation_values == 2 * 128 * 768 * 3 // 4
    assert shared.macs == every.macs


def test_a_decoding_step_reads_weights_and_cache():
    """Llama 2 7B: all weights but the embedding, and 2 x 32 layers x 4096 per cached token."""
    step = in_phase(load_workload("llama2_7b"), Wanted("decode", 100, None, None))
    found = kernels(step, step.bind(batch=1))
    assert sum(kernel.weight_values for kernel in found) == 6_738_415_616 - 32_000 * 4096
    assert sum(kernel.cached_values for kernel in found) == 2 * 32 * 4096 * 101
    assert sum(kernel.launches for kernel in found) == 32 * 7 + 2


def test_blocks_grow_with_the_batch_as_rows_or_as_matrices():
    linear = Kernel("fc", "product", 0, 0, weight_values=1, rows=100, columns=65)
    assert [linear.blocks(batch) for batch in (1, 2, 64)] == [2 * 2, 4 * 2, 100 * 2]
    both = Kernel("qk", "product", 0, 0, rows=100, columns=65, matrices=12)
    assert [both.blocks(batch) for batch in (1, 2)] == [12 * 4, 24 * 4]


def test_long_attention_is_split_by_queries_and_a_step_by_keys():
    def blocks(rows, columns):
        return Kernel("core", "attention", 0, 0, rows=rows, columns=columns, matrices=8).blocks(2)

    assert blocks(384, 384) == 16
    assert blocks(2048, 2048) == 16 * 4
    assert blocks(1, 2048) == 16 * 4


def test_only_attention_over_many_queries_is_padded():
    def ratio(rows, columns, kind="attention"):
        return Kernel("k", kind, 0, 0, rows=rows, columns=columns).padding_ratio

    assert ratio(128, 384) == 1.0
    assert ratio(197, 197) == pytest.approx((256 / 197) ** 2)
    assert ratio(1, 197) == 1.0
    assert ratio(197, 197, "product") == 1.0


def test_ungrouped_matmul_and_softmax_are_kernels_of_their_own():
    found = kernels(
        workload(
            [
                Op("product", "matmul", ("x", "y"), ("p",)),
                Op("weights", "softmax", ("p",), ("s",), {"axis": -1}),
            ],
            x=((2, 3, 5), "input"),
            y=((2, 5, 7), "input"),
            p=((2, 3, 7), "activation"),
            s=((2, 3, 7), "activation"),
        ),
        {},
    )
    assert [(k.name, k.macs, k.launches) for k in found] == [
        ("product", 2 * 3 * 5 * 7, 1),
        ("weights", 0, 1),
    ]
    assert (found[0].rows, found[0].columns, found[0].matrices) == (3, 7, 2)
    assert found[0].activation_values == 30 + 70 + 42
    assert found[1].activation_values == 84


def test_convolutions_count_and_functions_and_constants_ride_along():
    found = kernels(
        workload(
            [
                Op("patches", "convolution", ("x", "w"), ("c",)),
                Op("active", "gelu", ("c",), ("g",)),
                Op("shifted", "add", ("g", "k"), ("a",)),
                Op("half", "mul", ("a",), ("m",), {"scalar": 0.5}),
                Op("flat", "view", ("m",), ("f",)),
            ],
            x=((1, 1, 8, 8), "input"),
            w=((16, 1, 2, 2), "weight"),
            c=((1, 16, 4, 4), "activation"),
            g=((1, 16, 4, 4), "activation"),
            k=((16, 4, 4), "constant"),
            a=((1, 16, 4, 4), "activation"),
            m=((1, 16, 4, 4), "activation"),
            f=((1, 256), "activation"),
        ),
        {},
    )
    assert [(k.name, k.launches) for k in found] == [("patches", 1), ("shifted", 0)]
    assert found[0].macs == 256 * 4
    assert (found[0].rows, found[0].columns, found[0].weight_values) == (16, 16, 64)
    assert found[1].activation_values == 0
