# %% [markdown]
# # Bring your own model and device data
#
# **Question.** A lab hands over measurements of its memory cells. How many bits may a cell hold,
# how many rows may a read sum, and for how long after programming does a network keep its
# answers?
#
# You will learn how your own network becomes a workload, with and without PyTorch, how a table of
# measured conductances becomes cells of a chip, and how to see end to end what they do to a
# transformer.
#
# *About half a minute on two cores; no PyTorch.*

# %%
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

import pimsim
from pimsim.config import architecture_path
from pimsim.dse.metrics import metrics
from pimsim.report import figures
from pimsim.workload import Op, Samples, TensorSpec, Workload, save_workload
from pimsim.workload.reference import run

# %% [markdown]
# ## Your model, with PyTorch
#
# A function that builds the model and one that returns data are all that tracing needs. This is
# text here, so that the notebook runs without PyTorch; `docs/trace_your_own_model.md` has the
# whole story.
#
# ```python
# # models.py
# def classifier():
#     return Classifier().eval(), (torch.randn(2, 16, 32),)
#
#
# def samples():
#     return {"calibration": {"tokens": some}, "evaluation": {"tokens": others}, "labels": labels}
# ```
#
# ```sh
# pimsim trace models.py:classifier --samples models.py:samples --output classifier
# pimsim run --workload classifier --arch rap_int8
# ```
#
# ## Your model, without PyTorch
#
# What tracing writes is a folder with a graph of simple operations, weights and samples. Anything
# that makes such a folder will do. As an example we train a perceptron in NumPy on what the
# bundled vision transformer says of its calibration images (their labels are not part of it),
# shifted by up to a pixel:

# %%
vit = pimsim.load_workload("vit_digits")
images = vit.samples.calibration["image"]
teacher = run(vit, images)["head"].argmax(axis=-1)

shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
inputs = np.concatenate([np.roll(images[:, 0], shift, axis=(1, 2)) for shift in shifts])
inputs = inputs.reshape(-1, 64)
classes = np.eye(10)[np.tile(teacher, len(shifts))]


def trained(hidden: int, steps: int) -> list[np.ndarray]:
    """Weights and biases of a perceptron with one hidden layer, by descent with momentum."""
    generator = np.random.default_rng(0)
    parameters = [
        generator.normal(size=(hidden, 64)) * np.sqrt(2 / 64),
        np.zeros(hidden),
        generator.normal(size=(10, hidden)) * np.sqrt(1 / hidden),
        np.zeros(10),
    ]
    changes = [np.zeros_like(one) for one in parameters]
    for _ in range(steps):
        first, first_bias, second, second_bias = parameters
        inner = np.maximum(inputs @ first.T + first_bias, 0)
        scores = inner @ second.T + second_bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = (shares / shares.sum(axis=1, keepdims=True) - classes) / len(classes)
        back = error @ second * (inner > 0)
        slopes = [back.T @ inputs, back.sum(axis=0), error.T @ inner, error.sum(axis=0)]
        changes = [0.9 * old - 0.3 * slope for old, slope in zip(changes, slopes, strict=True)]
        parameters = [old + new for old, new in zip(parameters, changes, strict=True)]
    return [one.astype(np.float32) for one in parameters]


# %% [markdown]
# The graph: three operations, whose tensors are named by what makes them.

# %%
HIDDEN = 32
names = ("up.weight", "up.bias", "down.weight", "down.bias")
weights = dict(zip(names, trained(HIDDEN, steps=300), strict=True))
activations = {"up": HIDDEN, "relu": HIDDEN, "down": 10}
specs = [
    TensorSpec("pixels", ("batch", 64), "float32", "input"),
    *(TensorSpec(name, value.shape, "float32", "weight") for name, value in weights.items()),
    *(
        TensorSpec(name, ("batch", width), "float32", "activation")
        for name, width in activations.items()
    ),
]
perceptron = Workload(
    name="perceptron",
    task="image-classification",
    factory=None,
    dims={"batch": (1, 1024)},
    inputs=("pixels",),
    outputs=("down",),
    tensors={spec.name: spec for spec in specs},
    ops=(
        Op("up", "linear", ("pixels", "up.weight", "up.bias"), ("up",)),
        Op("relu", "relu", ("up",), ("relu",)),
        Op("down", "linear", ("relu", "down.weight", "down.bias"), ("down",)),
    ),
    weights=weights,
    samples=Samples(
        calibration={"pixels": images.reshape(-1, 64)},
        evaluation={"pixels": vit.samples.evaluation["image"].reshape(-1, 64)},
        labels=vit.samples.labels,
        reference={},
    ),
)
save_workload(perceptron, "perceptron")

# %%
results = {
    name: pimsim.simulate("rap_int8", name, samples=32, chips=1, compare=())
    for name in ("perceptron", "vit_digits")
}
networks = pd.DataFrame(metrics(found) | {"network": name} for name, found in results.items())
networks[["network", "float32_accuracy", "integer_accuracy", "accuracy", "energy_uj", "latency_us"]]

# %% [markdown]
# The perceptron is a thousandth of the transformer in products and, on the same chip, in energy:
# a product costs nearly the same in both.

# %%
products = {name: found.workload["macs"] for name, found in results.items()}
per_product_pj = pd.Series(
    {name: 1e6 * found.energy_uj / products[name] for name, found in results.items()}
)
assert products["vit_digits"] > 1000 * products["perceptron"]
assert per_product_pj.max() < 1.5 * per_product_pj.min()
per_product_pj.round(2).rename("energy per product [pJ]")

# %% [markdown]
# ## Your cells
#
# A lab measures arrays: cells are programmed to one of four conductances and read now and later.
# The numbers below are *invented*, in the form that such data have; put your own file in their
# place. The two inner levels spread more than the outer two, and all conductances fall with time.

# %%
LEVELS_USIEMENS = np.array([4.0, 16.0, 28.0, 40.0])
SPREAD_USIEMENS = np.array([0.5, 1.6, 1.8, 1.0])
MEASURED_AT_S = (0.0, 100.0, 10_000.0)

generator = np.random.default_rng(7)
programmed = generator.normal(LEVELS_USIEMENS, SPREAD_USIEMENS, size=(512, 4)).clip(min=0)
exponents = generator.normal(0.012, 0.006, size=programmed.shape).clip(min=0)
measured = pd.DataFrame(
    {"cell": cell, "level": level, "age_s": age_s, "usiemens": found * (1 + age_s) ** -exponent}
    for (cell, level), found in np.ndenumerate(programmed)
    for exponent in [exponents[cell, level]]
    for age_s in MEASURED_AT_S
)
measured.to_csv("measured.csv", index=False)
measured.head()

# %%
fresh = measured[measured["age_s"] == 0]
edges = np.arange(0.0, 46.0)
histogram = pd.DataFrame(
    {"conductance_usiemens": left + 0.5, "cells": count, "level": level}
    for level, part in fresh.groupby("level")
    for left, count in zip(edges, np.histogram(part["usiemens"], edges)[0], strict=False)
    if count
)
figures.curves(
    histogram, "conductance_usiemens", "cells", by="level", title="Measured cells after programming"
)

# %% [markdown]
# Two things of these data go into the chip: mean and spread of each level, as a table in a CSV
# file, and how fast conductances fall, as the exponent of a power law. (`docs/devices.md` lists
# what else can differ from an ideal cell, and published rows for devices that you have no data
# of.)

# %%
table = fresh.groupby("level")["usiemens"].agg(["mean", "std"]).round(3)
table.columns = ["conductance_usiemens", "sigma_usiemens"]
table.to_csv("cells.csv", index=False)

series = measured.pivot(index=["level", "cell"], columns="age_s", values="usiemens")
nu = -np.log(series[MEASURED_AT_S[-1]] / series[0.0]) / np.log(1 + MEASURED_AT_S[-1])
assert 0.9 < nu.mean() / exponents.mean() < 1.1
assert 0.9 < nu.std() / exponents.std() < 1.1
table

# %% [markdown]
# `pimsim show rap_int8 > mychip.yaml` gives a file to edit; here Python edits it. RAP's arrays
# keep their size and their converters, the weights get the new cells. Reads stay nominal, and
# other parts of the chip ideal where its file leaves them out.

# %%
document = yaml.safe_load(architecture_path("rap_int8").read_text(encoding="utf-8"))
low, *_, high = table["conductance_usiemens"]
document["name"] = "mychip"
document["macros"]["mram"]["crossbar"]["cell"] = {
    "model": "reram",
    "bits": 1,
    "on_off_ratio": round(float(high / low), 6),
    "programming": {"model": "table", "table_csv": "cells.csv"},
    "drift": {
        "model": "power_law",
        "nu_exponent": round(float(nu.mean()), 5),
        "nu_sigma_exponent": round(float(nu.std()), 5),
        "start_s": 1.0,
        "age_s": 1.0,
        "compensation": "global",
    },
    "conduction": {"on_conductance_usiemens": float(high)},
}
Path("mychip.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

# %% [markdown]
# ## How many bits per cell?
#
# A sweep over your own chip is a file, too. Rows of a read and bits of a cell change in step with
# the levels that a converter needs to have a code for every sum.

# %%
ROWS, SAMPLES = (4, 8, 16), 16
cells = [(bits, rows, rows * (2**bits - 1) + 1) for bits in (1, 2) for rows in ROWS]
paths = ("crossbar.cell.bits", "crossbar.active_rows", "adc.levels")
own_sweep = {
    "schema_version": 1,
    "name": "bits_and_rows",
    "architecture": "mychip.yaml",
    "workloads": ["vit_digits"],
    "axes": {
        "cells": {
            "zip": {
                f"macros.mram.{path}": list(values)
                for path, values in zip(paths, zip(*cells, strict=True), strict=True)
            }
        }
    },
    "samples": SAMPLES,
}
Path("bits_and_rows.yaml").write_text(yaml.safe_dump(own_sweep, sort_keys=False), encoding="utf-8")
found = pimsim.sweep("bits_and_rows.yaml")
assert found["error"].isna().all()
labels = found["cells"].str.split(", ", expand=True).astype(int)
found = found.assign(**{"bits per cell": labels[0], "rows per read": labels[1]})
figures.heatmap(found, "rows per read", "bits per cell", "logit_snr_db")

# %% [markdown]
# The signal-to-noise ratio of the outputs tells more than the accuracy of a few dozen images
# would. One bit uses the two outer levels, a whole range apart, and sums stay exact at every
# number of rows. Two bits use the inner levels, too, a third of the range apart and spread wider:
# reads err, the more so the more rows they sum.

# %%
snr_db = found.pivot(index="bits per cell", columns="rows per read", values="logit_snr_db")
assert snr_db.loc[1].min() > 30
assert snr_db.loc[2].max() < 20
assert snr_db.loc[2].is_monotonic_decreasing
found[["bits per cell", "rows per read", "accuracy", "energy_uj", "latency_us", "area_mm2"]]

# %% [markdown]
# Two bits would save some energy, as half as many columns are read, but converters with three
# times as many levels take more area than that gives back.

# %%
one, two = (found[found["bits per cell"] == bits].reset_index(drop=True) for bits in (1, 2))
assert (two["energy_uj"] < one["energy_uj"]).all()
assert (two["area_mm2"] > one["area_mm2"]).all()

# %% [markdown]
# ## And a month later?
#
# So one bit per cell. Conductances fall, all of them by a mean factor, each by a little more or
# less. The chip can rescale what it reads by the mean loss (`compensation: global`), not by each
# cell's own. The last sweep asks how many rows a read may sum as the cells age, and once what no
# compensation does.

# %%
DRIFT = "macros.mram.crossbar.cell.drift"
AGES_S = {"fresh": 1.0, "1000 s": 1e3, "a day": 86_400.0, "a month": 30 * 86_400.0}
reads = {
    "4 rows": (4, "global"),
    "16 rows": (16, "global"),
    "16 rows, as they are": (16, "none"),
}
own_sweep |= {
    "name": "rows_and_age",
    "axes": {
        "read": {
            "options": {
                label: {
                    "macros.mram.crossbar.active_rows": rows,
                    "macros.mram.adc.levels": rows + 1,
                    f"{DRIFT}.compensation": compensation,
                }
                for label, (rows, compensation) in reads.items()
            }
        },
        f"{DRIFT}.age_s": list(AGES_S.values()),
    },
}
Path("rows_and_age.yaml").write_text(yaml.safe_dump(own_sweep, sort_keys=False), encoding="utf-8")
aged = pimsim.sweep("rows_and_age.yaml")
assert aged["error"].isna().all()

# %%
accuracy = aged.pivot(index="read", columns=f"{DRIFT}.age_s", values="accuracy")
accuracy.columns = list(AGES_S)
accuracy

# %%
figures.curves(
    aged,
    f"{DRIFT}.age_s",
    "logit_snr_db",
    by="read",
    log_x=True,
    title="How well outputs are kept as the cells age",
)

# %% [markdown]
# What the mean leaves over is each cell's own way of ageing, which adds up over the rows of a
# read; a row more costs time in a fresh chip and answers in an old one. (Below some 30 dB the
# ratio is made of few wrong reads and differs by a decibel or two from one drawn chip to the
# next.)

# %%
snr_db = aged.pivot(index="read", columns=f"{DRIFT}.age_s", values="logit_snr_db")
snr_db.columns = list(AGES_S)
kept = ["4 rows", "16 rows"]
assert snr_db["fresh"].min() > 30
assert snr_db.loc["4 rows", "a month"] > 20
assert snr_db.loc["16 rows", "a month"] < 15
assert (accuracy.loc[kept] == 1).all(axis=None)
assert accuracy.loc["16 rows, as they are", "a day"] < 0.5
snr_db.round(1)

# %% [markdown]
# **Fresh, these cells sum 16 rows as well as 4. A month later compensated reads still answer
# every digit of the few tried, but with more than 20 dB left at 4 rows and less than 15 dB at 16;
# without compensation a day is enough to get most of them wrong.**
#
# Next: [exploring with NSGA-II](06_exploring_with_nsga2.py)
