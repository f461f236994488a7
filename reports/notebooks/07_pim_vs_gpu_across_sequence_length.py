# %% [markdown]
# # PIM against GPUs across sequence length
#
# **Question.** BERT base has 12 layers whose weights could all lie in the cells of one chip. For
# which lengths of text does such a chip beat a GPU, in what, and by how much?
#
# You will learn how to size a chip for a network of shapes only, how to set it beside GPUs at
# batch 1 and at their own best batch, and how to see what a comparison rests on.
#
# *About half a minute on two cores; no PyTorch, no GPU.*

# %%
from dataclasses import replace

import pandas as pd

import pimsim
from pimsim.baselines import calibration, prediction, roofline
from pimsim.dse.metrics import metrics
from pimsim.report import figures

# %% [markdown]
# ## The order of work decides what the buffers must hold
#
# RAP's paper lets one token after the other pass through attention (`rap_fused`). A token can
# also go on as soon as what it needs is there (`token_streaming`). The shipped sweep
# `bert_buffers` tries both at 128 tokens with tile buffers from 128 KiB to 2 MiB. The workload
# has shapes and no weights: time, energy and area follow from shapes, with ones in half of the
# bits; accuracy does not.

# %%
buffers = pimsim.sweep("bert_buffers")
assert buffers["error"].isna().all()
figures.curves(
    buffers,
    "tile.buffer.capacity_bytes",
    "latency_us",
    by="mapping.dataflow",
    log_x=True,
    title="Latency of one text of 128 tokens",
)

# %% [markdown]
# Streaming keeps the arrays of all twelve layers busy at once, and so takes a fraction of the
# time. It saves energy as well, since what leaks leaks for less long. The rest of this notebook
# streams.

# %%
shown = ["mapping.dataflow", "tile.buffer.capacity_bytes"]
buffers[[*shown, "latency_us", "energy_uj", "area_mm2"]]

# %%
fused, streamed = (
    buffers[buffers["mapping.dataflow"] == name].reset_index(drop=True)
    for name in ("rap_fused", "token_streaming")
)
assert (streamed["latency_us"] < 0.7 * fused["latency_us"]).all()
assert (streamed["energy_uj"] < fused["energy_uj"]).all()

# %% [markdown]
# ## A chip for 2048 tokens
#
# BERT's table of positions ends at 512 tokens. A longer table changes nothing else about the
# shapes, so this is how BERT's layers would meet longer texts. The chip has to hold the longest
# of them: keys and values of 2048 tokens need more SRAM arrays, queries and residuals larger
# buffers. What it lacks, `pimsim` says:

# %%
LENGTHS = (64, 128, 256, 512, 1024, 2048)


def longer(workload: pimsim.Workload, tokens: int) -> pimsim.Workload:
    """BERT with position tables of another length."""
    (before,) = {spec.shape[0] for name, spec in workload.tensors.items()
                 if name.endswith("position_embeddings.weight")}  # fmt: skip
    tensors = {
        name: replace(spec, shape=tuple(tokens if size == before else size for size in spec.shape))
        for name, spec in workload.tensors.items()
    }
    return replace(workload, tensors=tensors, dims={**workload.dims, "seq": (1, tokens)})


assert pimsim.load_workload("bert_base").dims["seq"] == (1, 512)
bert = longer(pimsim.load_workload("bert_base"), max(LENGTHS))
try:
    pimsim.simulate("rap", bert, seq=max(LENGTHS), compare=())
except pimsim.PimsimError as refusal:
    print(refusal)

# %%
MIB = 2**20
chip = pimsim.load_architecture(
    "rap",
    overrides=[
        "mapping.dataflow=token_streaming",
        "tile.macros.sram=576",  # 512 hold the keys and values of 1024 tokens, not those of 2048
        f"tile.buffer.capacity_bytes={16 * MIB}",
        f"chip.global_buffer.capacity_bytes={32 * MIB}",
    ],
)

# %% [markdown]
# Tokens can move through the replay in groups, which takes less time to simulate and rounds
# latencies up. With 64 groups the error is small:

# %%
GROUPS = 64


def run(tokens: int, group: int) -> pimsim.Result:
    return pimsim.simulate(chip, bert, seq=tokens, token_group=group, compare=())


exact, grouped = run(256, 1), run(256, 256 // GROUPS)
assert exact.latency_us < grouped.latency_us < 1.05 * exact.latency_us
assert exact.energy_uj < grouped.energy_uj < 1.01 * exact.energy_uj

# %% [markdown]
# ## The same texts on GPUs
#
# GPUs are predicted by a roofline that is fitted to published runs of BERT at 128 and 384 tokens
# (`docs/gpu_baselines.md` tells how well). Each GPU appears with one text at a time, and at its
# own best batch, the smallest that reaches 98 % of its highest throughput.
#
# | side | counted | left out |
# | --- | --- | --- |
# | chip | every component, leakage included; one text alone | host, loading of weights |
# | GPU | the board with its memory and idle power | host, transfers, loading of weights |

# %%
GPUS = {"A100, INT8": ("a100_40gb_sxm", "int8"), "H100, FP8": ("h100_sxm", "fp8")}
CHIP = "RAP's arrays, 16 MiB tiles"

results, rows = {}, []
for tokens in LENGTHS:
    results[tokens] = run(tokens, max(1, tokens // GROUPS))
    found = results[tokens]
    rows.append((CHIP, tokens, 1, found.latency_us, found.energy_uj))
    work = prediction.work_of(bert, seq=tokens)
    for name, (gpu, precision) in GPUS.items():
        for one in (
            prediction.predict_work(work, gpu, batch=1, precision=precision),
            prediction.best_batch(work, gpu, precision),
        ):
            batch = "batch 1" if one.batch == 1 else "best batch"
            energy_uj = one.energy_uj / one.batch
            rows.append((f"{name}, {batch}", tokens, one.batch, one.latency_us, energy_uj))
machines = pd.DataFrame(rows, columns=["machine", "tokens", "batch", "latency_us", "energy_uj"])
machines.pivot(index="machine", columns="tokens", values="batch")

# %%
figures.curves(
    machines,
    "tokens",
    "energy_uj",
    by="machine",
    log_x=True,
    log_y=True,
    title="Energy of one text",
)

# %% [markdown]
# A short text leaves a GPU mostly idle: alone it costs far more than its share of a batch.
# Towards 2048 tokens one text fills the machine and the two lines meet.

# %%
figures.curves(
    machines,
    "tokens",
    "latency_us",
    by="machine",
    log_x=True,
    log_y=True,
    title="Latency: from a text, or a batch of them, to its answer",
)

# %% [markdown]
# With one text either GPU is faster than the chip, the more so the longer the text. Reads of
# eight rows of an array at a time, bit by bit, are where the chip's time goes. Only a GPU that
# collects texts for its best batch keeps the first of them waiting longer, while texts are short.

# %%
late = machines.pivot(index="tokens", columns="machine", values="latency_us")
slower = late[CHIP] / late["A100, INT8, batch 1"]
assert (slower > 5).all()
assert all((late[CHIP] > late[name]).all() for name in late if name.endswith("batch 1"))
assert slower.is_monotonic_increasing
assert late.loc[64, CHIP] < late.loc[64, "A100, INT8, best batch"]
assert chip.macros["mram"].crossbar.active_rows == 8
assert results[2048].latency_breakdown_us["mram.reads"] > 0.7 * results[2048].latency_us
slower.round(1)

# %% [markdown]
# ## Why the lines bend
#
# Energy per token, part by part. Work on weights costs the same for every token however long the
# text; what attention adds grows with the length. (`sram` are the arrays that hold keys and
# values.)

# %%
per_token = pd.DataFrame(
    {name: value / tokens for name, value in metrics(found).items() if name.startswith("energy.")}
    | {"tokens": tokens}
    for tokens, found in results.items()
)
figures.breakdown(per_token, "energy", label="tokens", title="The chip's energy per token")

# %%
attention = per_token[[name for name in per_token if name.startswith("energy.sram.")]].sum(axis=1)
weights = per_token[[name for name in per_token if name.startswith("energy.mram.")]].sum(axis=1)
assert attention.is_monotonic_increasing
assert weights.max() < 1.05 * weights.min()

# %% [markdown]
# On a GPU attention is also what grows, and it runs at a lower share of the peak than products
# with weights do: the fits say how much lower. Those runs are a few years old, and lengths above
# 384 tokens are extrapolated. So we also ask what a GPU would need whose attention ran as well as
# its other products: a bound that favours the GPU.


# %%
def energy_of_text_uj(tokens: int, gpu: str, precision: str, *, ideal: bool) -> float:
    """Energy of one text at the best batch; ``ideal``: attention as efficient as other products."""
    work = prediction.work_of(bert, seq=tokens)
    batch = prediction.best_batch(work, gpu, precision).batch
    hardware = roofline.machine(gpu, precision)
    used = calibration.choose(gpu, precision).coefficients
    if ideal:
        used = replace(used, attention_utilisation_ratio=used.utilisation_ratio)
    times = [
        (count, roofline.kernel_time(one, hardware, used, batch)) for count, one in work.distinct
    ]
    return roofline.energy_uj(times, hardware) / batch


def times_less(against: str, energies_uj: pd.Series) -> pd.DataFrame:
    chip_uj = pd.Series({tokens: found.energy_uj for tokens, found in results.items()})
    ratios = (energies_uj / chip_uj).rename("times less energy").rename_axis("tokens")
    return ratios.reset_index().assign(against=against)


BOUND = "bound: A100, best batch, ideal attention"
energy = machines.pivot(index="tokens", columns="machine", values="energy_uj")
bound = pd.Series(
    {tokens: energy_of_text_uj(tokens, *GPUS["A100, INT8"], ideal=True) for tokens in LENGTHS}
)
advantage = pd.concat(
    [
        *(times_less(name, energy[name]) for name in energy if name != CHIP),
        times_less(BOUND, bound),
    ]
)
figures.curves(
    advantage,
    "tokens",
    "times less energy",
    by="against",
    log_x=True,
    log_y=True,
    title="How many times less energy the chip needs for one text",
)

# %% [markdown]
# ## What this rests on
#
# - Most of the chip's energy comes from constants that nobody has published, which `pimsim` marks
#   as assumed; the share is printed below, and `pimsim explain rap mram.adc` shows such
#   constants.
# - Power of the GPUs is assumed, from idle to the board's design power with the work.
# - The chip has one job: its area holds BERT's weights and nothing else. A GPU takes the next
#   network from memory.

# %%
print(f"{results[512].assumed_energy_ratio:.0%} of the chip's energy rests on assumed numbers")
print(f"{results[512].area_mm2:.0f} mm² at {chip.node_nm:g} nm")
for name, (gpu, precision) in GPUS.items():
    expected = calibration.choose(gpu, precision).expected_error_ratio
    print(f"{name}: latencies ±{expected:.0%}")

# %%
against = advantage.pivot(index="tokens", columns="against", values="times less energy")
alone, batched = against["A100, INT8, batch 1"], against["A100, INT8, best batch"]
assert alone[64] > 8
assert 2.5 < alone[2048] < 3.5
assert batched.is_monotonic_increasing
assert against[BOUND].is_monotonic_decreasing
assert against[BOUND].min() > 1.1
assert batched.max() < 2.6
against.round(2)

# %% [markdown]
# **Against an A100 with one text at a time the chip needs more than eight times less energy at 64
# tokens, but only about three times less at 2048; against one at its best batch it needs 1.1 to
# 2.6 times less, and whether that grows or shrinks with the length is a matter of how well the
# GPU runs attention.**
