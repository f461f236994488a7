"""Kernels of graphs without attention groups."""

from pimsim.baselines.kernels import kernels
from pimsim.workload.graph import Op, TensorSpec, Workload


def workload(ops, **shapes):
    tensors = {
        name: TensorSpec(name, shape, "float32", kind) for name, (shape, kind) in shapes.items()
    }
    outputs = (ops[-1].output,)
    return Workload("w", None, None, {}, ("x",), outputs, tensors, tuple(ops))


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
    assert found[0].instances == 2
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
    assert found[0].weight_values == 64
    assert found[1].activation_values == 0
