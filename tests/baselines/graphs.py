"""Small graphs written by hand: shapes only."""

from pimsim.workload.graph import AttentionGroup, Op, TensorSpec, Workload


class Builder:
    """Writes the operations of an encoder or decoder one by one."""

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

    def layer(self, index, x, width, heads, *, causal=False, kv_heads=None, fused=False):
        n, length, head = f"layers.{index}", self.sequence, width // heads
        kv_heads = heads if kv_heads is None else kv_heads

        def role(name):
            return AttentionGroup(f"{n}.attention", name, heads, kv_heads, causal=causal)

        if fused:
            one = self.linear(f"{n}.qkv", x, width, 3 * width, role("query_key_value"))
            sources = dict.fromkeys(("query", "key", "value"), one)
        else:
            sources = {
                name: self.linear(f"{n}.{name}", x, width, width, role(name))
                for name in ("query", "key", "value")
            }
        parts = {}
        for name, source in sources.items():
            size = (heads, head, length) if name == "key" else (heads, length, head)
            parts[name] = self.add(f"{n}.{name}.heads", "view", (source,), size)
        square = (heads, length, length)
        both = (parts["query"], parts["key"])
        logits = self.add(f"{n}.logits", "matmul", both, square, group=role("logits"))
        softmax = self.add(f"{n}.softmax", "softmax", (logits,), square, group=role("softmax"))
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
        up = self.linear(f"{n}.up", middle, width, 4 * width)
        active = self.add(f"{n}.gelu", "gelu", (up,), (length, 4 * width))
        down = self.linear(f"{n}.down", active, 4 * width, width)
        return self.norm(f"{n}.norm2", middle, down, width)


def encoder(*, layers=1, width=768, heads=12, sequence=128, name="encoder", **kind):
    """Encoder layers as BERT has them, without embeddings."""
    builder = Builder(sequence, width)
    x = "x"
    for index in range(layers):
        x = builder.layer(index, x, width, heads, **kind)
    dims = {"batch": (1, 1024)}
    return Workload(name, None, None, dims, ("x",), (x,), builder.tensors, tuple(builder.ops))
