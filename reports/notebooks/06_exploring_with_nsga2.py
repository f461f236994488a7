# %% [markdown]
# # Exploring with NSGA-II
#
# **Question.** Thousands of chips could hold BERT base. Which of them answer soonest on the
# smallest die, and does a search that learns from results find them in fewer points than chance
# does?
#
# You will learn how to search with constraints, how to go on with a search that was cut short,
# how to compare two fronts, and how to see which knobs made the difference.
#
# *About half a minute on two cores; needs Optuna (`pip install 'pimsim[optuna]'`), no PyTorch.*

# %%
import math
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

import pimsim
from pimsim.analog.read_errors import closed_form
from pimsim.config.bundled import sweep_path
from pimsim.dse.pareto import front
from pimsim.dse.sensitivity import sensitivity
from pimsim.dse.sweep_file import load_sweep
from pimsim.report import figures

# %% [markdown]
# ## The space
#
# The shipped sweep `bert_chip_search` turns eight knobs of RAP's chip. What an axis sets is
# checked against the chip's file before anything runs; whether a network fits is known only once
# it is mapped.

# %%
search = load_sweep("bert_chip_search")
space = pd.DataFrame(
    {"axis": axis.name, "settings": ", ".join(str(setting.label) for setting in axis.settings)}
    for axis in search.axes
)
designs = math.prod(len(axis.settings) for axis in search.axes)
print(f"{designs} designs")
print(f"constraints: {search.file.constraints}, objectives: {search.file.objectives}")
space

# %% [markdown]
# The workload has shapes only, so there is no accuracy to search for. What can be said of
# accuracy is in the space already: every converter has a code for every sum, and more rows in a
# read err more often. For RAP's cells the probability of a wrong read is a closed form, and small
# for all three settings:

# %%
OPTIONS = {setting.label: setting.overrides for setting in search.axes[0].settings}
worst = {}
for label, overrides in OPTIONS.items():
    macro = pimsim.load_architecture("rap", overrides=overrides).macros["mram"]
    sums = range(macro.crossbar.active_rows + 1)
    worst[label] = max(closed_form(macro, ones) for ones in sums)
assert max(worst.values()) < 1e-3
pd.Series(worst, name="wrong reads, worst sum").map("{:.1e}".format)

# %% [markdown]
# ## The search, cut short and resumed
#
# NSGA-II asks for generations of designs: it keeps what is not dominated and recombines its
# settings. A folder keeps every point as soon as it is known. `limit` stops early, as an
# interrupt would; `resume` goes on, and computes nothing twice.

# %%
first = pimsim.sweep("bert_chip_search", output="search", limit=12)
searched = pimsim.sweep("bert_chip_search", output="search", resume=True)
again = pimsim.sweep("bert_chip_search", output="search", resume=True)
assert 0 < len(first) < len(searched)
pd.testing.assert_frame_equal(searched, again)

# %% [markdown]
# Chance gets as many points. Any sweep file can be written on the spot:

# %%
POINTS = len(searched)
text = sweep_path("bert_chip_search").read_text(encoding="utf-8")
random_sweep = yaml.safe_load(text) | {
    "name": "bert_chip_random",
    "sampler": {"model": "random", "points": POINTS, "seed": 0},
}
Path("random.yaml").write_text(yaml.safe_dump(random_sweep, sort_keys=False), encoding="utf-8")
drawn = pimsim.sweep("random.yaml")
assert len(drawn) == POINTS == 72

# %% [markdown]
# Designs that do not fit are points, too: they are recorded with their reason and teach the
# search where not to look. So are those that break a constraint.

# %%
fates = pd.DataFrame(
    {
        name: {
            "does not fit": frame["error"].notna().sum(),
            "breaks a constraint": (frame["feasible"] == False).sum(),  # noqa: E712
            "feasible": (frame["feasible"] == True).sum(),  # noqa: E712
        }
        for name, frame in {"NSGA-II": searched, "random": drawn}.items()
    }
)
assert fates.loc["feasible", "NSGA-II"] > fates.loc["feasible", "random"]
fates

# %%
figures.pareto(drawn, "area_mm2", "latency_us", title=f"{POINTS} designs by chance")

# %%
figures.pareto(searched, "area_mm2", "latency_us", title=f"{POINTS} designs by NSGA-II")

# %% [markdown]
# ## How fast each gets there
#
# A front is better where it lies closer to the lower left. How much better is told by the
# *hypervolume*: the part of the plane that some design of the front dominates, here up to the
# largest area allowed and the slowest feasible design of both, on logarithmic axes.

# %%
OBJECTIVES = ["area_mm2", "latency_us"]


def best(frame: pd.DataFrame) -> pd.DataFrame:
    """The feasible designs that none of the frame dominates, in the order of their area.

    What differs by less than a thousandth of a decade, 0.2 %, counts as equal.
    """
    feasible = frame[frame["feasible"] == True]  # noqa: E712
    values = np.log10(feasible[OBJECTIVES].to_numpy(dtype=float)).round(3)
    return feasible[front(values, ("minimize", "minimize"))].sort_values("area_mm2")


def hypervolume(frame: pd.DataFrame, worst: np.ndarray) -> float:
    """Dominated part of the plane up to ``worst``, in decades of area times decades of latency."""
    corners = np.log10(best(frame)[OBJECTIVES].to_numpy(dtype=float))
    right = np.append(corners[1:, 0], np.log10(worst[0]))
    return float(((right - corners[:, 0]) * (np.log10(worst[1]) - corners[:, 1])).sum())


both = pd.concat([searched.assign(sampler="NSGA-II"), drawn.assign(sampler="random")])
slowest_us = both.loc[both["feasible"] == True, "latency_us"].max()  # noqa: E712
limit = np.array([search.file.constraints["area_mm2"].max, slowest_us])
volumes = pd.DataFrame(
    {"points": points, "sampler": name, "hypervolume": hypervolume(part.head(points), limit)}
    for name, part in both.groupby("sampler")
    for points in range(8, POINTS + 1, 8)
    if (part.head(points)["feasible"] == True).any()  # noqa: E712
)
figures.curves(volumes, "points", "hypervolume", by="sampler", title="Dominated part of the plane")

# %% [markdown]
# The first generation of NSGA-II is drawn by chance, too, so where the curves begin is luck; what
# follows is not only that. Chance may find a good design at any time, and this is one seed of
# each: a claim about the samplers in general would need many of them. A chip needs one good
# front.

# %% [markdown]
# ## Which knobs matter
#
# Each bar of the next figure says which share of a metric's variance a knob explains, with a mark
# at what a knob without any effect would seem to explain. Random designs are the ones to look at:
# a search varies its knobs together.

# %%
axes = [axis.name for axis in search.axes]
moved = sensitivity(drawn[drawn["error"].isna()], axes, OBJECTIVES)
figures.sensitivity(moved)

# %% [markdown]
# How many rows a read drives is what latency follows most, as that is how often an array must be
# read. Area has no such master: it is size times number, and capacity must not fall below BERT's
# weights. What the search has settled on:

# %%
of_latency = moved[moved["metric"] == "latency_us"].set_index("axis")["explained_ratio"]
assert of_latency.idxmax() == "reads"
of_area = moved[moved["metric"] == "area_mm2"].set_index("axis")["explained_ratio"]
assert of_area.max() < 0.25

# %%
shown = {name: name.split(".")[-1] for name in axes}
best(searched)[[*shown, *OBJECTIVES, "power_mw", "energy_uj"]].rename(columns=shown)

# %% [markdown]
# Streaming everywhere: a token that need not wait for the others keeps more arrays busy. Power is
# what holds latency back: the same energy in less time.

# %%
assert (best(searched)["mapping.dataflow"] == "token_streaming").all()
fastest = both.loc[both["error"].isna()].nsmallest(3, "latency_us")
assert (fastest["power_mw"] > search.file.constraints["power_mw"].max).all()

# %% [markdown]
# ## The two fronts

# %%
fronts = pd.concat(best(part) for _, part in both.groupby("sampler"))
figures.curves(
    fronts,
    "area_mm2",
    "latency_us",
    by="sampler",
    log_x=True,
    log_y=True,
    title=f"Fronts after {POINTS} points",
)


# %%
def beaten(design: pd.Series, by: pd.DataFrame) -> bool:
    """Whether one of the designs is smaller and faster."""
    return bool((by[OBJECTIVES] < design[OBJECTIVES]).all(axis=1).any())


by_search, by_chance = best(searched), best(drawn)
assert all(beaten(design, by_search) for _, design in by_chance.iterrows())
assert not any(beaten(design, by_chance) for _, design in by_search.iterrows())

# %% [markdown]
# **After 72 points each, every design on the front found by chance is beaten in area and in
# latency by one that the search has found, and none of the search's by one found by chance.**
#
# Next: [PIM against GPUs across sequence length](07_pim_vs_gpu_across_sequence_length.py)
