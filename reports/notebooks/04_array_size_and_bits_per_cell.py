# %% [markdown]
# # How large an array, and how many bits in a cell?
#
# **Question.** A crossbar may have 64 or 1,024 rows, and a cell may hold one bit or four. Which
# sizes waste what, and for which cells and converters do several bits per cell pay?
#
# You will learn to size a chip to a network, to read area against latency, and to set what
# cells can hold beside what it buys.
#
# *About 40 seconds on two cores; no PyTorch, no network.*

# %%
import pandas as pd

import pimsim
from pimsim.report import figures


def numbers(labels: pd.Series, place: int) -> pd.Series:
    """Number at one place of the labels of a zipped axis."""
    return labels.str.split(", ").str[place].astype(int)


# %% [markdown]
# ## Array size where a read has eight rows
#
# `array_size` puts BERT-base (12 layers, 32 tokens) on RAP's macros of 64 × 64 to 1,024 × 1,024
# cells, 16 tiles with as many arrays as the weights take and no more. The workload has shapes
# and no weights, so that there is energy, area and latency, and no accuracy; none is needed:
# eight rows make a read whatever the array, partial sums are added digitally, and answers do
# not depend on its size.

# %%
sizes = pimsim.sweep("array_size")
assert sizes["error"].isna().all()
sizes["rows"], sizes["columns"] = numbers(sizes["array"], 0), numbers(sizes["array"], 1)
figures.heatmap(sizes, "columns", "rows", "area_mm2")

# %%
figures.breakdown(sizes[sizes["columns"] == 1024], "area", label="rows")

# %% [markdown]
# Every column has a converter, however short it is. At 64 rows the converters take most of the
# chip, more than forty times the area of the cells that they read; at 1,024 rows less than
# three times. Columns matter less: what an array has once is its controller, which few columns
# share in a narrow one.

# %%
wide = sizes[sizes["columns"] == 1024].set_index("rows")
ratio = wide["area.mram.adc_mm2"] / wide["area.mram.crossbar_mm2"]
assert 40 < ratio[64] < 50
assert 2.5 < ratio[1024] < 3
assert wide["area_mm2"][64] > 5 * wide["area_mm2"][1024]
figures.curves(sizes, "rows", "latency_us", by="columns", log_x=True, log_y=True)

# %% [markdown]
# Time goes the other way. An array reads eight rows at a time, so its rows wait for each other;
# short arrays read different parts of a matrix at once. The three lines lie on each other:
# columns are all read together. (From 512 to 1,024 rows the step is smaller, since most of
# BERT's matrices have 768.)

# %%
assert (sizes.groupby("rows")["latency_us"].agg(lambda part: part.max() / part.min()) < 1.01).all()
figures.heatmap(sizes, "columns", "rows", "energy_uj")

# %% [markdown]
# Energy is flat but for one corner: tall and narrow arrays. The breakdown tells why: each array
# has a controller that packs its inputs, and one with few columns spreads that over few
# products.

# %%
square = sizes.set_index(["rows", "columns"])
part = square["energy.mram.controller_uj"] / square["energy_uj"]
assert part[1024, 64] > 0.2
assert part[1024, 1024] < 0.05
figures.breakdown(sizes[sizes["rows"].isin([64, 256, 1024])], "energy", label=["rows", "columns"])

# %% [markdown]
# Each array also waits longer the taller it is, and leaks meanwhile. And utilisation: matrices
# of 768 rows fill arrays of 64, 128 and 256 rows to the last one; two arrays of 512 rows, or
# one of 1,024, they leave a quarter empty, since blocks of different matrices do not share an
# array.

# %%
assert wide["cells_ratio"][256] > 0.9
assert (wide["cells_ratio"][[512, 1024]] < 0.8).all()
sizes["area × latency [mm²·ms]"] = sizes["area_mm2"] * sizes["latency_us"] / 1e3
best = sizes.loc[sizes["area × latency [mm²·ms]"].idxmin()]
assert (best["rows"], best["columns"]) == (256, 1024)
assert best["energy_uj"] == sizes["energy_uj"].min()
figures.heatmap(sizes, "columns", "rows", "area × latency [mm²·ms]", title="Area × latency")

# %% [markdown]
# Area times latency has its least at 256 rows and 1,024 columns, and so has energy: as tall as
# the matrices fill without remainder, as wide as possible. RAP's 1,024 rows suit a smaller chip
# that may be slow.
#
# ## Array size where whole columns are summed
#
# In a chip like `conventional` all rows of an array take part in a read, with a bit more in the
# converter for every doubling. Now size decides what is read, and accuracy with it (the demo
# transformer, whose matrices have 64 to 256 rows):

# %%
whole = pimsim.sweep("whole_columns")
assert whole["error"].isna().all()
whole["rows"] = numbers(whole["array"], 0)
figures.curves(whole, "rows", "logit_snr_db", log_x=True, title="Whole columns: answers over rows")

# %%
tall = whole.set_index("rows")
assert tall["logit_snr_db"].is_monotonic_decreasing
assert tall["accuracy"][1024] < 0.5
assert tall["accuracy"][64] > 0.95
assert tall["energy.mram.crossbar_uj"][1024] > 5 * tall["energy.mram.crossbar_uj"][64]
assert tall["energy.mram.adc_uj"][1024] > 5 * tall["energy.mram.adc_uj"][64]
tall[["accuracy", "logit_snr_db", "energy.mram.crossbar_uj", "energy.mram.adc_uj"]].round(1)

# %% [markdown]
# Two things ruin tall columns. The spread of all driven cells adds up while a level stays one
# cell wide; here it grows up to 256 rows, where the matrices end. And noise of the converter,
# assumed as 0.04 % of full scale, is a larger part of a level with every doubling of full
# scale: 0.4 of one at 1,024 rows. Energy grows, too: a cell that is off carries 1/2.5 of the
# current of one that is on (assumed), and unused rows are topped up with off cells to keep that
# pedestal constant. Without the noise, 1,024 rows would answer:

# %%
quiet = pimsim.simulate(
    "conventional", "vit_digits", samples=16, chips=1, compare=(),
    overrides=["macros.mram.crossbar.rows=1024", "macros.mram.crossbar.active_rows=1024",
               "macros.mram.adc.bits=10", "macros.mram.adc.noise_ratio=null",
               "tile.macros.mram=72"],
)  # fmt: skip
assert quiet.accuracy.logit_snr_db > 20
quiet.accuracy.logit_snr_db

# %% [markdown]
# **Tall arrays want few active rows.**
#
# ## Several bits per cell: what cells can hold
#
# Back to reads of eight rows. A cell of *b* bits has 2^*b* − 1 steps between off and on, so
# that its spread weighs as many times more, and the converter needs 8 (2^*b* − 1) + 1 levels.
# `bits_per_cell` tries 1 to 4 bits on RAP's MRAM (2.95 % spread), the same with 1 % (no such
# cell is claimed to exist), and two ReRAM cells with *measured* programming errors: CMO/HfOx
# accepted within 2 %, and that of the NeuRRAM chip.

# %%
bits = pimsim.sweep("bits_per_cell")
assert bits["error"].isna().all()
bits["bits per cell"] = numbers(bits["content"], 0)
figures.heatmap(bits, "bits per cell", "cell", "logit_snr_db")

# %%
snr = bits.set_index(["cell", "bits per cell"])["logit_snr_db"].unstack()
assert (snr[1] - snr[1].iloc[0]).abs().max() < 0.5
assert snr.loc["mram, 2.95 %"].is_monotonic_decreasing
assert snr.loc["mram, 1 %", 3] > snr.loc["mram, 2.95 %", 1] - 1
assert snr.loc["reram_cmo_hfox", 3] > snr.loc["mram, 2.95 %", 1] - 1
assert snr.loc["reram_wan2022", 2] < 15
steps = 2 ** snr.columns.to_numpy() - 1
spread = pd.Series(0.0295 * 4**0.5 * steps, snr.columns, name="spread of a read, steps")
assert 2.5 < 0.5 / spread[2] < 3
assert 1 < 0.5 / spread[3] < 1.5
spread.round(3)

# %% [markdown]
# One bit is read faultlessly by all. The series is the rule of thumb behind the rest: four
# conducting cells of 2.95 % in a read of eight, in steps of a level. Half a level is the limit:
# nearly three standard deviations at two bits, hardly more than one at three. Cells of 1 %
# stand three bits, as does the CMO/HfOx cell, whose accepted errors are about as small; the
# larger errors of the other cell end at one.
#
# ## Several bits per cell: what they buy
#
# `bits_per_cell_costs` builds the chip for BERT-base with as many arrays as each width needs:
# 9-bit weights take 9, 5, 4, 3 cells. It reads them by flash converters on every column, or by
# SAR converters shared by eight, whose conversions fit into a read.

# %%
costs = pimsim.sweep("bits_per_cell_costs")
assert costs["error"].isna().all()
costs["bits per cell"] = numbers(costs["content"], 0)
figures.breakdown(costs, "energy", label=["converter", "bits per cell"])

# %%
table = costs.set_index(["converter", "bits per cell"]).sort_index()
flash, sar = table.loc["flash per column"], table.loc["SAR per 8 columns"]
assert flash["energy.mram.crossbar_uj"].is_monotonic_decreasing
assert flash["energy_uj"].idxmin() == 2
assert flash["area_mm2"].is_monotonic_increasing
assert sar["energy_uj"].is_monotonic_decreasing
assert (sar["latency_us"] < 1.01 * flash["latency_us"]).all()
table[["energy_uj", "area_mm2", "energy.mram.adc_uj", "energy.mram.crossbar_uj"]].round(0)

# %% [markdown]
# The cells save in both cases: fewer of them conduct. What the converter does decides. The
# comparators of a flash converter grow as 2^*b* and the cells per weight fall as 1/*b* only, so
# that from three bits on it eats more than is saved, and area grows from the start. A SAR
# converter takes one decision more per bit. (Its price here is a lower estimate from
# capacitors, comparator and logic, without reference buffers; and writing several bits takes
# more pulses, which a chip whose weights stay does not count.)
#
# ## Both together
#
# What MRAM cells can hold on the demo, against what they buy on BERT-base with shared SAR
# converters, without the designs that answer fewer than nine of ten images as float32 does:

# %%
mram = bits[bits["cell"].isin(["mram, 2.95 %", "mram, 1 %"])].copy()
mram = mram[mram["agreement_ratio"] > 0.9]
mram["energy of BERT-base [µJ]"] = mram["bits per cell"].map(sar["energy_uj"])
full = mram["logit_snr_db"] > snr.loc["mram, 2.95 %", 1] - 1
chosen = mram[full].groupby("cell")["bits per cell"].max()
assert chosen["mram, 2.95 %"] == 1
assert chosen["mram, 1 %"] == 3
saved = 1 - sar["energy_uj"][3] / sar["energy_uj"][1]
assert 0.4 < saved < 0.5
assert flash["energy_uj"][3] > flash["energy_uj"][1]
f"three bits instead of one, shared SAR converters: {saved:.0%} of the energy"

# %%
figures.pareto(
    mram, "energy of BERT-base [µJ]", "logit_snr_db",
    objectives={"energy of BERT-base [µJ]": "minimize", "logit_snr_db": "maximize"},
    label=["cell", "bits per cell"], title="Answers on the demo against energy of BERT-base",
)  # fmt: skip

# %% [markdown]
# **With converters whose cost grows slowly, cells of 1 % spread hold three bits without loss
# and save more than 40 % of BERT-base's energy; RAP's cells of 2.95 % lose decibels from the
# second bit on.**
#
# Next: [your own model and device data](05_bring_your_own_model_and_device_data.py)
