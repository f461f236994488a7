# %% [markdown]
# # RAP, technique by technique
#
# **Question.** RAP ([arXiv 2411.14733](https://arxiv.org/abs/2411.14733)) puts four things
# together: BitSift packs ones of the inputs into reads; few rows are read at a time by
# converters of few levels; eMSB-Q requantizes by shifts; VDR-Softmax does without division. The
# paper measures them together. What does each buy, and what does it cost?
#
# You will learn to take a design apart by replacing one part of it at a time, and to tell
# energy, time, area and robustness apart.
#
# *About 30 seconds on two cores; no PyTorch, no network.*

# %%
import pimsim
from pimsim.report import figures

# %% [markdown]
# ## Five chips, two operating points
#
# `rap_one_by_one` has RAP and four chips that lack one thing each:
#
# | chip | has instead |
# | --- | --- |
# | without BitSift | every group of eight rows of every bit-plane, in two's complement, one pass |
# | 64 rows, 7 bits | 64 rows per read, 7-bit SAR converters, one for 128 columns |
# | without eMSB-Q | INT8 with floating dequantize-quantize, LayerNorm and GELU |
# | without VDR-Softmax | a floating-point softmax |
#
# All else is the same: cells, arrays, buffers, network, clock, and the order of work. Each runs
# where its converters were trimmed, and with slow transistors at 0.81 V and 125 °C. (All 24
# combinations, and whole columns of 1,024 rows, are in `rap_ablation` and `docs/ablation.md`.)

# %%
sweep = pimsim.sweep("rap_one_by_one")
assert sweep["error"].isna().all()
nominal = sweep[sweep["corner"] == "nominal"].set_index("technique")
metrics = ["energy_uj", "latency_us", "area_mm2"]
over_rap = nominal[metrics] / nominal.loc["rap", metrics]
over_rap.round(2)

# %% [markdown]
# Above 1: RAP is better with the technique than without it. Next, part by part.

# %%
figures.breakdown(nominal.reset_index(), "energy", label="technique")

# %%
figures.breakdown(nominal.reset_index(), "latency", label="technique")

# %% [markdown]
# ## BitSift
#
# Both figures say the same: reads. Well over half of the bits that are driven are zeros, and
# packed reads do without them. Conversions and conducting cells fall by more than half, and the
# time of MRAM reads to well below a half. Its controller takes a little area. What it needs is
# data that are sparse *by bits*; `docs/bit_sparsity.md` measures that on three networks.

# %%
without = nominal.loc["without BitSift"]
rap = nominal.loc["rap"]
for part in ("energy.mram.adc_uj", "energy.mram.crossbar_uj", "latency.mram.reads_us"):
    assert rap[part] < 0.5 * without[part]
assert over_rap["energy_uj"]["without BitSift"] > 1.5
assert over_rap["latency_us"]["without BitSift"] > 2
assert 0.95 < over_rap["area_mm2"]["without BitSift"] < 1
nominal[["area.mram.controller_mm2", "area.sram.controller_mm2"]].loc[["rap"]].round(1)

# %% [markdown]
# ## Few rows, few levels
#
# 64 rows in a read and seven bits: reads are fewer, but far from eight times, since matrices of
# 64 to 256 rows rarely have 64 ones in a plane (the controller, which is paid by the read,
# tells). Each conversion takes more than that saves: a SAR converter of seven bits is charged
# more than four times what a flash converter of nine levels is. Shared by 128 columns, so that
# it does not outgrow the cells, it makes each read wait 160 ns, and the latency is the
# converters'. Sixty-four word lines are driven even where there are fewer ones to drive; off
# cells of MRAM conduct, too, 1/2.5 of on cells (assumed).

# %%
many = nominal.loc["64 rows, 7 bits"]
reads = many["energy.mram.controller_uj"] / rap["energy.mram.controller_uj"]
assert 1 / 4 < reads < 1
assert many["energy.mram.adc_uj"] > 4 * rap["energy.mram.adc_uj"]
assert many["energy.mram.crossbar_uj"] > 2 * rap["energy.mram.crossbar_uj"]
assert many["latency.adc_us"] > 0.9 * many["latency_us"]
assert abs(many["area_mm2"] / rap["area_mm2"] - 1) < 0.05
figures.breakdown(nominal.reset_index(), "area", label="technique")

# %% [markdown]
# The area is nearly the same, by two changes that cancel: shared converters give MRAM back what
# seven bits take from SRAM. How much better the 64 rows could be with another converter is a
# question of cost models (`pimsim run --adc-models all` shows the range). What no converter
# changes is the margin of a read:

# %%
figures.heatmap(sweep, "corner", "technique", "logit_snr_db")

# %%
by_corner = sweep.set_index(["technique", "corner"])
snr = by_corner["logit_snr_db"].unstack()
answers = by_corner["accuracy"].unstack()
assert (snr["nominal"] > 30).all()
assert snr["slow_hot"]["64 rows, 7 bits"] < 10
assert answers["slow_hot"]["64 rows, 7 bits"] < 0.8
eight_rows = snr.index != "64 rows, 7 bits"
assert (snr["slow_hot"][eight_rows] > 30).all()
assert (answers["slow_hot"][eight_rows] > 0.95).all()
assert 1 < snr["slow_hot"]["without BitSift"] - snr["slow_hot"]["rap"] < 4
answers.round(2)

# %% [markdown]
# Where converters were trimmed all chips answer every image; the two or three decibels between
# their numerics depend on the images (`docs/ablation.md` has them for 64). Where the operating
# point has moved, the shift acts on the total current of a read while a level stays one cell
# wide, so that 64 rows misread and eight do not. **Few rows buy robustness before they buy
# energy.** BitSift takes some of it back: packed reads are full reads, and those err most. (The
# reference is a replica column that follows 95 % of the shift, assumed; a fixed one would lose
# eight rows, too: `docs/read_errors.md`.)
#
# ## eMSB-Q

# %%
floating = nominal.loc["without eMSB-Q"]
parts = [name for name in nominal if name.startswith("energy.")]
gains = rap[parts].astype(float).fillna(0.0) - floating[parts].astype(float).fillna(0.0)
gains[gains.abs() > 0.1].sort_values().round(2)

# %%
assert gains["energy.tile_wires_uj"] < -0.5
assert gains["energy.units.gelu_uj"] < -0.4
assert gains["energy.mram.adc_uj"] > 0
assert gains["energy.mram.crossbar_uj"] > 0
assert over_rap["latency_us"]["without eMSB-Q"] < 0.9
assert over_rap["energy_uj"]["without eMSB-Q"] > 1.05
assert floating["area_mm2"] > 1.05 * rap["area_mm2"]
for part in ("latency.mram.reads_us", "latency.units.layer_norm_us"):
    assert rap[part] > 1.2 * floating[part]

# %% [markdown]
# Negative is saved. Integers of nine bits instead of float32 travel between units, and GELU
# needs no floating-point unit. Against that stands the ninth bit: one slice more in every
# weight, one plane more in every input, and numbers whose leading bit is always used leave
# BitSift fewer zeros. In time nothing makes up for the reads, and LayerNorm with an integer
# square root loses more: **eMSB-Q saves energy and area, and makes the chip slower.**
#
# ## VDR-Softmax
#
# It saves a few per cent here, more area than energy:

# %%
assert 1 < over_rap["energy_uj"]["without VDR-Softmax"] < 1.1
assert 1.03 < over_rap["area_mm2"]["without VDR-Softmax"] < 1.1
unit = nominal["energy.units.softmax_uj"]
assert unit["without VDR-Softmax"] > 5 * unit["rap"]
unit[["rap", "without VDR-Softmax"]]

# %% [markdown]
# The unit itself takes several times less, of very little. Softmax grows with the square of the
# tokens and products with weights with the tokens, so ask for more of them. BERT-base, energy
# of its softmax:

# %%
CHIP = ["chip.tiles=16", "tile.buffer.capacity_bytes=4194304"]
FLOAT = ["units.softmax.model=fp32_softmax", "numerics.normalization=null"]
shares = {}
for tokens in (16, 64):
    for name, overrides in (("VDR", CHIP), ("float", [*CHIP, *FLOAT])):
        run = pimsim.simulate("rap", "bert_base", seq=tokens, overrides=overrides, compare=())
        shares[tokens, name] = run.energy_breakdown_uj["units.softmax"] / run.energy_uj
assert shares[64, "float"] > 3 * shares[16, "float"]
assert shares[64, "float"] < 0.005
needed = 64 * 0.1 / shares[64, "float"]
assert 2000 < needed < 6000
{key: f"{share:.3%}" for key, share in shares.items()}

# %% [markdown]
# Four times the tokens, four times the share, and still a fraction of a per cent: the weights
# of BERT-base dominate. At this rate a floating-point softmax would need some thousands of
# tokens to cost a tenth of the energy. VDR-Softmax is worth having for its area and for long
# texts.
#
# ## All together
#
# Energy against latency, nominal, of the chips that answer at the corner, too:

# %%
robust = nominal[answers["slow_hot"].reindex(nominal.index) > 0.95].reset_index()
best = robust.set_index("technique")
assert best["energy_uj"].idxmin() == "rap"
faster = best.index[best["latency_us"] < best["latency_us"]["rap"]]
assert list(faster) == ["without eMSB-Q"]
assert 0.15 < 1 - best["latency_us"]["without eMSB-Q"] / best["latency_us"]["rap"] < 0.3
assert 0.05 < best["energy_uj"]["without eMSB-Q"] / best["energy_uj"]["rap"] - 1 < 0.15
best[metrics].round(1)

# %%
figures.pareto(robust, "energy_uj", "latency_us", label="technique")

# %% [markdown]
# **RAP takes the least energy of the chips that stand the corner, and only one of its
# techniques is a matter of choice: floating-point requantization in place of eMSB-Q makes it
# about a fifth faster for about a tenth more energy.**
#
# Next: [array size and bits per cell](04_array_size_and_bits_per_cell.py)
