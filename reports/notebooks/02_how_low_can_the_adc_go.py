# %% [markdown]
# # How low can the converter go?
#
# **Question.** Converters are what analog in-memory chips are blamed for. RAP drives eight rows
# per read so that nine levels suffice. Could it do with fewer levels, or with more rows, and
# does the answer survive a slow, hot chip?
#
# You will learn which of two ways to save levels works, why zero skipping needs *more* of them,
# and how to find the number of rows that is cheap and robust.
#
# *About 40 seconds on two cores; no PyTorch, no network.*

# %%
import pandas as pd

import pimsim
from pimsim.analog import read_errors
from pimsim.report import figures


def first_number(labels: pd.Series) -> pd.Series:
    """Number that the label of a zipped axis begins with."""
    return labels.str.extract(r"(\d+)", expand=False).astype(int)


# %% [markdown]
# ## Fewer levels than counts: clip, do not coarsen
#
# Eight cells of one bit sum to 0 … 8: nine levels read every sum. With fewer, a converter can
# take steps of two, or keep steps of one and saturate. `adc_clipping` saturates, with 9 to 5
# levels. It does so for two ways to fill a read: *packed*, as RAP's BitSift collects ones of
# the inputs from anywhere in the column until eight word lines are on, and *dense*, where eight
# neighbouring rows are read, be their inputs one or zero.

# %%
clipping = pimsim.sweep("adc_clipping")
assert clipping["error"].isna().all()
clipping["levels"] = first_number(clipping["codes"])
figures.curves(
    clipping, "levels", "logit_snr_db", by="reads", title="Answers against levels, eight rows"
)

# %%
by_levels = clipping.set_index(["reads", "levels"]).sort_index()
packed, dense = by_levels.loc["packed"], by_levels.loc["dense"]
assert packed["logit_snr_db"].is_monotonic_increasing
assert (dense["logit_snr_db"] + 0.01 >= packed["logit_snr_db"]).all()
assert dense["logit_snr_db"][8] - packed["logit_snr_db"][8] > 10
by_levels[["accuracy", "logit_snr_db", "energy_uj", "latency_us", "area_mm2"]].round(2)

# %% [markdown]
# Why does the last level cost packed reads more than 10 dB and dense ones hardly anything? A
# sum of eight needs eight ones in the inputs *and* eight conducting cells. Packed reads have
# the first by construction: about half of the cells conduct, and a half to the eighth is a few
# reads in a thousand. Dense reads are half empty to begin with. **Zero skipping spends the
# slack that a low converter lives on.**
#
# It is still the better bargain. With six levels both answer all of the sixteen images, packed
# reads at far less energy, since there are far fewer of them:

# %%
assert packed["accuracy"][6] == dense["accuracy"][6] == 1.0
assert packed["energy_uj"][6] < 0.7 * dense["energy_uj"][6]
figures.breakdown(clipping.sort_values(["reads", "levels"]), "energy", label=["reads", "levels"])

# %% [markdown]
# The other way to save levels, steps of two, fails at once. Seven levels, all sums covered:

# %%
coarse = pimsim.simulate(
    "rap", "vit_digits", samples=16, chips=1, overrides=["macros.mram.adc.levels=7"], compare=()
)
assert coarse.accuracy.analog[0] < 0.3
assert packed["accuracy"][7] == 1.0
coarse.accuracy.analog[0], coarse.accuracy.logit_snr_db

# %% [markdown]
# Steps of two misread every odd sum by one, and bit slicing multiplies that by up to 2^15 when
# planes and slices are put together. Saturation misreads rarely. That is the whole difference.
#
# So six levels would do here at the operating point where the converters were trimmed. What do
# they buy?

# %%
energy_saved = 1 - packed["energy_uj"][6] / packed["energy_uj"][9]
area_saved = 1 - packed["area_mm2"][6] / packed["area_mm2"][9]
assert 0.05 < energy_saved < 0.12
assert 0.05 < area_saved < 0.15
f"six levels instead of nine: {energy_saved:.0%} of the energy, {area_saved:.0%} of the area"

# %% [markdown]
# About a tenth, for all but the last ten decibels of margin: the converters of this chip are no
# longer what dominates. (The price of a flash converter is eight published comparators; the
# cost variant `survey_4bit_adc` of `rap.yaml` has an upper bound, under which converters weigh
# more.)
#
# ## More rows, and a chip that is not nominal
#
# Fewer rows per read need more reads, more rows a converter of more levels. Which way is
# cheaper, and what does each stand? `adc_rows_corners` pairs rows with the levels that they
# need, and adds a clipped converter. It runs each at three operating points, converters trimmed
# at the first: nominal, 10 % low supply, and slow transistors at low supply and 125 °C.
# References are replica columns that follow 95 % of the shift (assumed, as are the corners'
# coefficients: `docs/devices.md`).

# %%
corners = pimsim.sweep("adc_rows_corners")
assert corners["error"].isna().all()
exact = corners[corners["read"] != "8 rows, 7 levels"].copy()
exact["rows per read"] = first_number(exact["read"])
figures.curves(
    exact, "rows per read", "logit_snr_db", by="corner", log_x=True,
    title="Answers against rows, a level for every sum",
)  # fmt: skip

# %% [markdown]
# Nominal, all are as good as the integers behind them. A corner moves the *total* current of a
# read, and what the replica leaves of that grows with the rows while a level stays as wide as
# it was. Chance of a wrong code in a full read, from the closed form of `docs/read_errors.md`:

# %%
SLOW_HOT = ["pvt.process=ss", "pvt.supply_v=0.81", "pvt.temperature_degc=125.0"]
rap = pimsim.load_architecture("rap")
hot = pimsim.load_architecture("rap", overrides=SLOW_HOT)
chances = pd.DataFrame(
    {
        name: {
            rows: read_errors.closed_form(
                pimsim.load_architecture(
                    "rap",
                    overrides=[
                        f"macros.mram.crossbar.active_rows={rows}",
                        f"macros.mram.adc.levels={rows + 1}",
                    ],
                ).macros["mram"],
                ones=rows,
                pvt=chip.pvt,
            )
            for rows in (4, 8, 16, 32)
        }
        for name, chip in (("nominal", rap), ("slow_hot", hot))
    }
)
assert chances["slow_hot"].is_monotonic_increasing
assert chances["nominal"][8] < 1e-8
assert 1e-3 < chances["slow_hot"][8] < 0.01
assert chances["slow_hot"][16] > 0.1
chances

# %% [markdown]
# Sixteen rows would be misread often if reads were full. They seldom are in this network, whose
# matrices have 64 to 256 rows, and so it loses decibels before it loses answers; a larger
# network fills its reads. The three decibels that four rows lose where they cannot err are not
# theirs: products of activations run in SRAM, whose reads keep eight rows here. With four rows
# in SRAM, too, they are back:

# %%
rows_of_four = ["macros.mram.crossbar.active_rows=4", "macros.mram.adc.levels=5"]
everywhere = pimsim.simulate(
    "rap", "vit_digits", samples=16, chips=1, compare=(),
    overrides=[*rows_of_four, *(text.replace("mram", "sram") for text in rows_of_four), *SLOW_HOT],
)  # fmt: skip
snr = exact.set_index(["rows per read", "corner"])["logit_snr_db"]
assert snr[4, "nominal"] - snr[4, "slow_hot"] > 1.5
assert abs(everywhere.accuracy.logit_snr_db - snr[4, "nominal"]) < 0.5
everywhere.accuracy.logit_snr_db

# %% [markdown]
# ## What rows cost

# %%
nominal = corners[corners["corner"] == "nominal"].set_index("read")
figures.breakdown(nominal.reset_index(), "energy", label="read")

# %% [markdown]
# Two trends cross. A flash converter doubles with every doubling of the rows, and reads halve,
# so converters would cost the same were all reads full; they are not, and what is driven and
# converted in vain grows to the right. Controller, adders and leakage go with the number of
# reads and grow to the left. In between lies a flat minimum, at eight rows. Area has no such
# minimum:

# %%
converters = {
    rows: nominal["energy.mram.adc_uj"][f"{rows} rows, {rows + 1} levels"]
    for rows in (4, 8, 16, 32)
}
assert list(converters.values()) == sorted(converters.values())
lossless = nominal.drop("8 rows, 7 levels")
assert lossless["energy.mram.controller_uj"].is_monotonic_decreasing
assert lossless["energy_uj"].idxmin() == "8 rows, 9 levels"
assert lossless["area_mm2"].is_monotonic_increasing
assert lossless["latency_us"].is_monotonic_decreasing
nominal[["energy_uj", "latency_us", "area_mm2"]].round(1)

# %% [markdown]
# ## Cheap and robust
#
# Each design at its nominal energy and at the worst of its three operating points:

# %%
worst = corners.loc[corners.groupby("read", sort=False)["logit_snr_db"].idxmin()].copy()
worst["energy_uj"] = worst["read"].map(nominal["energy_uj"])
robust = worst[worst["logit_snr_db"] > 30].set_index("read")["energy_uj"]
assert robust.idxmin() == "8 rows, 9 levels"
assert set(robust.index) == {"4 rows, 5 levels", "8 rows, 9 levels"}
cheaper = worst[worst["energy_uj"] < robust.min()]
assert list(cheaper["read"]) == ["8 rows, 7 levels"]
worst[["read", "corner", "logit_snr_db", "energy_uj", "latency_us", "area_mm2"]].round(1)

# %%
figures.pareto(
    worst, "energy_uj", "logit_snr_db", label="read", title="Worst corner against nominal energy"
)

# %% [markdown]
# **Of these designs, those that keep more than 30 dB at every corner read four or eight rows
# with a level for every sum, and eight rows with nine levels are the cheaper one; only clipping
# undercuts them in energy, for half of the decibels.**
#
# Next: [RAP, technique by technique](03_rap_technique_by_technique.py)
