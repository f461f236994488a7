"""The roofline against NVIDIA's published runs (TensorRT 8.4.3, demo/BERT README)."""

import pytest

from pimsim.baselines import default_baselines, known_gpus, predict
from pimsim.baselines.gpu import load_gpu, parse_gpu
from pimsim.baselines.kernels import kernels
from pimsim.errors import InputError, NotFoundError
from pimsim.workload.graph import AttentionGroup, Op, TensorSpec, Workload

BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 64, 128)
# (model, sequence) → average latency [ms] by batch, INT8 then FP16.
A100 = {
    ("base", 128): (
        (0.58, 0.62, 0.77, 0.95, 1.22, 1.37, 1.84, 2.27, 4.20, 8.18),
        (0.67, 0.83, 1.02, 1.38, 1.87, 2.18, 3.34, 4.10, 8.05, 16.14),
    ),
    ("base", 384): (
        (1.15, 1.33, 1.69, 2.22, 3.36, 4.10, 5.80, 7.74, 15.16, 29.34),
        (1.31, 1.64, 2.31, 3.62, 5.03, 6.72, 9.79, 13.51, 26.11, 51.26),
    ),
    ("large", 128): (
        (1.25, 1.47, 1.82, 2.71, 3.10, 4.02, 5.32, 7.09, 13.09, 25.45),
        (1.64, 2.05, 2.97, 4.51, 5.26, 7.75, 10.10, 13.85, 26.20, 51.61),
    ),
    ("large", 384): (
        (2.81, 3.06, 4.03, 7.16, 9.25, 12.51, 17.88, 23.17, 45.40, 89.01),
        (3.12, 4.15, 5.96, 11.53, 16.22, 21.92, 32.43, 43.01, 83.63, 163.70),
    ),
}
T4 = {
    ("base", 128): (
        (1.69, 1.82, 2.63, 4.66, 6.55, 9.37, 13.62, 18.93, 36.54, 73.15),
        (1.95, 2.71, 4.53, 9.09, 12.53, 17.90, 26.86, 36.63, 72.04, 144.20),
    ),
    ("base", 384): (
        (2.52, 3.98, 7.43, 14.56, 21.81, 28.79, 44.40, 58.41, 120.95, 242.14),
        (4.04, 6.61, 13.02, 27.81, 41.82, 55.31, 84.11, 114.90, 227.73, 458.76),
    ),
    ("large", 128): (
        (3.65, 4.98, 8.57, 14.56, 22.64, 30.11, 47.33, 60.01, 119.67, 241.11),
        (5.53, 8.22, 15.47, 28.14, 44.94, 57.73, 90.51, 121.09, 241.35, 482.84),
    ),
    ("large", 384): (
        (7.29, 12.17, 24.23, 49.24, 69.52, 92.83, 140.97, 186.60, 376.93, 755.50),
        (12.45, 22.80, 46.21, 92.92, 139.28, 185.85, 280.74, 370.87, 741.74, 1518.35),
    ),
}
PUBLISHED = {"a100_40gb_sxm": A100, "t4": T4}
ROWS = [
    (gpu, precision, model, sequence, batch, latency_ms)
    for gpu, tables in PUBLISHED.items()
    for (model, sequence), columns in tables.items()
    for precision, column in zip(("int8", "fp16"), columns, strict=True)
    for batch, latency_ms in zip(BATCHES, column, strict=True)
]


class Builder:
    """Writes the operations of an encoder by hand: shapes only."""

    def __init__(self, sequence, width):
        self.sequence = sequence
        self.tensors = {"x": TensorSpec("x", ("batch", sequence, width), "float32", "input")}
        self.ops = []

    def add(self, name, kind, inputs, shape, **extra):
        self.tensors[name] = TensorSpec(name, ("batch", *shape), "float32", "activation")
        self.ops.append(Op(name, kind, tuple(inputs), (name,), **extra))
        return name

    def weight(self, name, *shape):
        self.tensors[name] = TensorSpec(name, shape, "float32", "weight")
        return name

    def linear(self, name, x, inner, outer, group=None):
        weight = self.weight(f"{name}.weight", outer, inner)
        return self.add(name, "linear", (x, weight), (self.sequence, outer), group=group)

    def norm(self, name, a, b, width):
        total = self.add(f"{name}.add", "add", (a, b), (self.sequence, width))
        gain = self.weight(f"{name}.gain", width)
        return self.add(name, "layer_norm", (total, gain, gain), (self.sequence, width))

    def layer(self, index, x, width, inner, heads):
        n, length, head = f"layers.{index}", self.sequence, width // heads

        def role(name):
            return AttentionGroup(f"{n}.attention", name, heads, heads, causal=False)

        parts = {}
        for name in ("query", "key", "value"):
            full = self.linear(f"{n}.{name}", x, width, width, role(name))
            size = (heads, head, length) if name == "key" else (heads, length, head)
            parts[name] = self.add(f"{n}.{name}.heads", "view", (full,), size)
        logits = self.add(
            f"{n}.logits",
            "matmul",
            (parts["query"], parts["key"]),
            (heads, length, length),
            group=role("logits"),
        )
        softmax = self.add(
            f"{n}.softmax", "softmax", (logits,), (heads, length, length), group=role("softmax")
        )
        context = self.add(
            f"{n}.context",
            "matmul",
            (softmax, parts["value"]),
            (heads, length, head),
            group=role("context"),
        )
        joined = self.add(f"{n}.joined", "view", (context,), (length, width))
        output = self.linear(f"{n}.output", joined, width, width, role("output"))
        middle = self.norm(f"{n}.norm1", x, output, width)
        up = self.linear(f"{n}.up", middle, width, inner)
        active = self.add(f"{n}.gelu", "gelu", (up,), (length, inner))
        down = self.linear(f"{n}.down", active, inner, width)
        return self.norm(f"{n}.norm2", middle, down, width)


def bert(model, sequence):
    layers, width, heads = {"base": (12, 768, 12), "large": (24, 1024, 16)}[model]
    builder = Builder(sequence, width)
    x = "x"
    for index in range(layers):
        x = builder.layer(index, x, width, 4 * width, heads)
    dims = {"batch": (1, 1024)}
    return Workload("bert", None, None, dims, ("x",), (x,), builder.tensors, tuple(builder.ops))


WORKLOADS = {(m, s): bert(m, s) for m in ("base", "large") for s in (128, 384)}


def worst(gpu, precision, model):
    """Largest relative deviation over the published rows."""
    return max(
        abs(
            predict(WORKLOADS[m, s], gpu, batch=b, precision=p).latency_us / (1000 * latency_ms) - 1
        )
        for g, p, m, s, b, latency_ms in ROWS
        if (g, p, m) == (gpu, precision, model)
    )


@pytest.mark.parametrize("precision", ["int8", "fp16"])
@pytest.mark.parametrize("gpu", sorted(PUBLISHED))
def test_the_rows_it_was_calibrated_on_lie_within_25_percent(gpu, precision):
    assert worst(gpu, precision, "base") < 0.25


@pytest.mark.parametrize("precision", ["int8", "fp16"])
@pytest.mark.parametrize("gpu", sorted(PUBLISHED))
def test_the_rows_of_the_larger_model_lie_within_35_percent(gpu, precision):
    assert worst(gpu, precision, "large") < 0.35


def test_a_layer_of_bert_is_seven_kernels():
    found = kernels(WORKLOADS["base", 128], {"batch": 1})
    assert sum(kernel.launches for kernel in found) == 12 * 7
    assert sum(kernel.macs for kernel in found) * 2 == pytest.approx(22.3e9, rel=5e-3)


def test_the_attention_kernel_keeps_its_logits():
    core = next(k for k in kernels(WORKLOADS["base", 128], {"batch": 1}) if "|core" in k.name)
    assert core.activation_values == 4 * 128 * 768
    assert core.instances == 12


def test_projections_read_their_input_once():
    projections = kernels(WORKLOADS["base", 128], {"batch": 1})[0]
    assert projections.activation_values == 4 * 128 * 768
    assert projections.weight_values == 3 * 768 * 768


def test_energy_is_board_power_per_inference():
    for batch in (1, 128):
        found = predict(WORKLOADS["base", 128], "t4", batch=batch, precision="int8")
        assert found.energy_uj == pytest.approx(70.0 * found.latency_us / batch)


def test_a_batch_is_as_good_as_its_dimension():
    """Eight inferences of one sequence and one inference of eight sequences are the same work."""
    workload = WORKLOADS["base", 128]
    eight = predict(workload, "t4", batch=8, precision="int8")
    inside = predict(workload, "t4", batch=1, precision="int8", dims={"batch": 8})
    assert inside.latency_us == pytest.approx(eight.latency_us)


def test_larger_batches_take_longer_in_all_and_less_each():
    runs = [predict(WORKLOADS["base", 128], "t4", batch=b, precision="fp16") for b in BATCHES]
    latencies = [run.latency_us for run in runs]
    energies = [run.energy_uj for run in runs]
    assert latencies == sorted(latencies)
    assert energies == sorted(energies, reverse=True)


def test_defaults_cover_both_devices_alone_and_batched():
    found = default_baselines(WORKLOADS["base", 128], {"batch": 1})
    assert [(b.name, b.batch) for b in found] == [
        ("NVIDIA A100-SXM4-40GB", 1),
        ("NVIDIA A100-SXM4-40GB", 128),
        ("NVIDIA T4", 1),
        ("NVIDIA T4", 128),
    ]
    for baseline in found:
        assert baseline.kind == "gpu_roofline"
        assert baseline.precision == "int8"
        assert "excludes host and transfers" in baseline.scope
        assert "energy per input" in baseline.scope
        assert "TensorRT 8.4.3" in baseline.source
        assert "assumed" in baseline.source


def test_the_bundled_devices_load():
    assert known_gpus() == ("a100_40gb_sxm", "t4")
    assert load_gpu("t4").precisions["int8"].peak_ops_per_s == 130e12


@pytest.mark.parametrize(
    ("gpu", "batch", "precision", "error", "message"),
    [
        ("a100", 1, "int8", NotFoundError, "unknown GPU 'a100'"),
        ("t4", 0, "int8", InputError, "batch must be at least 1, got 0"),
        ("t4", 1, "int4", NotFoundError, "has no precision 'int4'; did you mean 'int8'?"),
    ],
)
def test_bad_requests_are_refused(gpu, batch, precision, error, message):
    with pytest.raises(error) as caught:
        predict(WORKLOADS["base", 128], gpu, batch=batch, precision=precision)
    assert message in str(caught.value)


def test_a_device_file_with_a_typo_is_refused():
    with pytest.raises(InputError, match=r"^mine\.yaml: .*"):
        parse_gpu("name: mine\nmemory: 3\n", file="mine.yaml")
