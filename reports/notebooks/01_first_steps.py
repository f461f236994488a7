# %% [markdown]
# # First steps: what does one run tell, and what would you change first?
#
# **Question.** RAP is a chip for transformers whose weights stay in MRAM crossbars; eight rows
# at a time are summed on the bit lines and read by a converter on every column. Where do its
# energy, area and time go, and which single knob of its description is set wrong?
#
# You will learn how to run a chip, how to read its breakdowns, and how to turn one knob into a
# study.
#
# *About 20 seconds on two cores; no PyTorch, no network.*

# %%
import pandas as pd

import pimsim
from pimsim.report import figures

# %% [markdown]
# ## One run
#
# `vit_digits` is a vision transformer of 4 layers, trained on 8 × 8 pixel digits and traced
# with PyTorch. 32 images go through the crossbars of one drawn chip, read by read; then one
# image goes through an event-driven model of the chip, which finds the latency. `what_if`
# replays that with one kind of resource infinitely fast at a time.

# %%
result = pimsim.simulate(
    "rap", "vit_digits", samples=32, chips=1, what_if=True, compare=("conventional",)
)
accuracy = result.accuracy
pd.Series(
    {
        "accuracy in float32 [%]": 100 * accuracy.float32,
        "accuracy on the chip [%]": 100 * accuracy.analog[0],
        "signal-to-noise ratio of the logits [dB]": accuracy.logit_snr_db,
        "energy per image [µJ]": result.energy_uj,
        "latency [µs]": result.latency_us,
        "area of the chip [mm²]": result.area_mm2,
        "energy on assumed numbers [%]": 100 * result.assumed_energy_ratio,
    }
).round(1)

# %% [markdown]
# Read the last line first: most of the energy rests on *assumed* numbers. A chip that was never
# built leaves numbers open. pimsim fills them with models whose constants are published,
# measured or assumed, and the figures hatch what rests on assumed ones. Such numbers rank
# designs; they are no data sheet.
#
# ## Where the energy goes

# %%
drawn = figures.draw_all(result)
drawn["energy"]

# %%
energy = pd.Series(result.energy_breakdown_uj).sort_values(ascending=False) / result.energy_uj
assert set(energy.index[:3]) == {"mram.crossbar", "mram.adc", "tile_wires"}
assert energy.iloc[:3].sum() > 0.6
assert energy["mram.adc"] < min(energy["tile_wires"], energy["mram.crossbar"])
energy.head(5).round(3)

# %% [markdown]
# Three parts take most of it: wires between a tile's buffer and its arrays, cells that conduct,
# and the converters that read them. Converters come third only, since one of nine levels needs
# eight comparators, where one of eight bits would need 255. That wires take as much as cells is an
# artefact worth knowing: a tile of RAP holds hundreds of arrays, so that a bit travels
# millimetres, while this small network uses about a thousandth of the cells.

# %%
assert 0.0005 < result.cells_ratio < 0.002
dict(pimsim.load_architecture("rap").tile.macros)

# %% [markdown]
# ## Where the area goes

# %%
drawn["area"]

# %%
area = pd.Series(result.area_breakdown_mm2) / result.area_mm2
assert area.idxmax() == "mram.adc"
assert area["mram.adc"] > 2 * area["mram.crossbar"]
area.sort_values(ascending=False).head(5).round(3)

# %% [markdown]
# The converters of MRAM are the largest part, more than twice the MRAM cells that they read:
# there is one on each of 1,024 columns of each array. Do they have to be there for speed?
#
# ## What the latency waits for

# %%
drawn["latency"]

# %%
latency = pd.Series(result.what_if_us).sort_values() / result.latency_us
assert latency["macro"] < 0.4
assert latency["adc"] > 0.99
latency.round(3)

# %% [markdown]
# The table says how long an image would take if one kind of resource took no time at all, as a
# share of what it takes. Reads of the macros bind; converters of no delay at all would gain
# nothing. A read takes 10 ns and a conversion 1 ns (which is assumed, the paper gives none), so
# that a converter idles nine tenths of the time: columns could share it.
#
# ## Turn the knob
#
# A knob is a dotted path of the chip's YAML file. `pimsim.simulate(..., overrides=[...])`
# changes it once; a sweep file changes it many times. `adc_sharing` is shipped with pimsim,
# `pimsim sweep adc_sharing` runs the same from the command line, and this is all of it:
#
# ```yaml
# architecture: rap
# workloads: [vit_digits]
# axes:
#   macros.mram.adc.columns_per_adc: [1, 2, 4, 8, 16, 32]
# objectives: {area_mm2: minimize, latency_us: minimize}
# samples: 16
# ```

# %%
sharing = pimsim.sweep("adc_sharing")
columns = "macros.mram.adc.columns_per_adc"
assert sharing["error"].isna().all()
assert sharing["logit_snr_db"].nunique() == 1
sharing[[columns, "accuracy", "energy_uj", "latency_us", "area_mm2"]].round(2)

# %%
figures.breakdown(sharing, "area", label=columns)

# %% [markdown]
# Answers do not change, since these converters have no spread that columns could share. Area
# falls and then stops falling: of the converters of MRAM and the adders behind them little is
# left, and all the rest stays. Latency tells the price:

# %%
figures.curves(sharing, columns, "latency_us", log_x=True, title="Latency over sharing")

# %% [markdown]
# Flat as long as the conversions of all columns that share a converter fit into the read that
# goes on meanwhile, then proportional: from then on each read waits for its conversions. Both
# together:

# %%
shared = sharing.set_index(columns)
saved = 1 - shared["area_mm2"] / shared["area_mm2"][1]
lost = shared["latency_us"] / shared["latency_us"][1] - 1
assert saved[8] > 0.2
assert abs(lost[8]) < 0.01
assert lost[16] > 0.3
assert saved[16] - saved[8] < 0.03
assert shared["energy_uj"][8] <= shared["energy_uj"][1]
f"8 columns: {saved[8]:.0%} less area, {lost[8]:+.1%} time; 16: {saved[16]:.0%}, {lost[16]:+.0%}"

# %%
figures.pareto(sharing, "area_mm2", "latency_us", label=columns)

# %% [markdown]
# **RAP's converters can be shared by eight columns: that takes more than a fifth of the chip's
# area away and costs neither time nor energy nor answers; sharing by sixteen saves hardly more
# and makes the chip slower by more than 30 %.**
#
# Next: [how low can the converter itself go?](02_how_low_can_the_adc_go.py)
