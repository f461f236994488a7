"""The page of a sweep says what its frame says, stands alone, and warns where it must."""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest

from pimsim.dse.folder import note, write_frame
from pimsim.dse.record import open_sweep
from pimsim.dse.store import Outcome
from pimsim.dse.sweep_file import load_sweep
from pimsim.errors import InputError
from pimsim.report import pages, sweep_front
from tests.report import sweeps
from tests.report.reading import Reader, external

TWO = sweeps.TEXT.replace("workloads: [vit_digits]", "workloads: [vit_digits, bert_base]")


@pytest.fixture(scope="session")
def swept(tmp_path_factory, written):
    """A complete sweep with failures and a knee; tests must not change it."""
    return sweeps.run(tmp_path_factory.mktemp("sweeps") / "example", knee=written)


@pytest.fixture(scope="session")
def page(swept):
    return pages.render_page([swept])


@pytest.fixture(scope="session")
def text(page):
    return Reader(page).text


@pytest.fixture
def make(tmp_path):
    """Run a sweep of another text into a folder of its own."""
    numbers = itertools.count()
    return lambda *args, **kwargs: sweeps.run(tmp_path / f"sweep{next(numbers)}", *args, **kwargs)


def best_by_hand(frame):
    """Feasible designs that no other is as good as in all and better than in one."""
    rows = frame[frame["feasible"] == True].to_dict("records")  # noqa: E712

    def costs(row):
        return (-row["accuracy"], row["energy_uj"], row["latency_us"])

    return {
        row["design"]
        for row in rows
        if not any(
            all(a <= b for a, b in zip(costs(other), costs(row), strict=True))
            and costs(other) != costs(row)
            for other in rows
        )
    }


def test_the_page_stands_alone(page):
    reader = Reader(page)
    assert external(page) == []
    assert "http" not in page
    assert len(reader.identifiers) == len(set(reader.identifiers))
    assert reader.targets <= set(reader.identifiers)
    assert "script" not in reader.tags


def test_the_summary_counts_and_names_the_knee(text, swept):
    record = open_sweep(swept)
    best = best_by_hand(record.frame)
    assert "10 designs of rap on vit_digits." in text
    assert f"{len(best)} designs stand on the front of accuracy, energy per inference and" in text
    knee = sweep_front.judge(record, "vit_digits").knee
    assert f"is design {knee['design']} (adc.levels " in text
    front = record.frame[record.frame["design"].isin(best)]
    low, high = front["energy_uj"].min(), front["energy_uj"].max()
    assert f"{low:.2f} to {high:.1f} µJ" in text


def test_the_table_lists_exactly_the_front(page, swept):
    start = page.index('<section id="front">')
    table = page[page.index("<tbody>", start) : page.index("</tbody>", start)]
    named = re.findall(r'<th scope="row">(\d+)( \(knee\))?</th>', table)
    assert {int(number) for number, _ in named} == best_by_hand(open_sweep(swept).frame)
    assert sum(bool(knee) for _, knee in named) == 1


def test_every_useful_pair_of_objectives_is_drawn_and_the_others_are_told(page, text):
    assert 'id="figure-front-energy-uj-accuracy"' in page
    assert 'id="figure-front-energy-uj-latency-us"' in page
    assert 'id="figure-front-latency-us-accuracy"' not in page
    assert "Not drawn, because one design is best in both: accuracy with latency." in text


def test_failures_are_grouped_by_reason_with_their_settings(text):
    assert "MappingError: 4 rows need 8 levels <3>" in text
    assert "MappingError: 8 rows need 16 levels" not in text
    assert "2 points of 12 gave no result." in text
    assert re.search(r"4 rows need 8 levels <3> 2 adc.levels 3 crossbar.active_rows 4, 8", text)


def test_only_keys_that_differ_are_compared(page):
    start = page.index('<section id="differences">')
    table = page[page.index("<tbody>", start) : page.index("</tbody>", start)].replace("<wbr>", "")
    keys = re.findall(r'<th scope="row">([^<]+)</th>', table)
    assert set(keys) == {sweeps.LEVELS, sweeps.ROWS}
    base = re.search(rf"{sweeps.LEVELS}</th><td>([^<]*)</td>", table)[1]
    assert base == "9"


def test_the_knee_has_its_whole_result(page, text):
    for name in ("comparison", "accuracy", "energy", "latency", "area", "sources", "manifest"):
        assert f'<section id="knee-{name}">' in page
    assert 'id="figure-timeline"' not in page
    assert 'id="knee-figure-timeline"' in page
    assert "Its whole result is in knee/0 of the sweep." in text
    assert "BitSift is not modelled yet" in text


def test_what_was_asked_is_told(text):
    for told in (
        "example: levels <and> rows", "Axis macros.mram.adc.levels 3, 5, 9, 17", "Sampler grid",
        "maximize accuracy, minimize energy_uj, minimize latency_us", "accuracy ≥ 20.0 %",
        "12 of 12 have ended",
    ):  # fmt: skip
        assert told in text


def test_a_complete_sweep_with_a_constraint_on_accuracy_needs_no_warning(page):
    assert '<div class="caution"><p>The sweep' not in page
    assert "Nothing in the sweep forbids low accuracy" not in page


def test_an_unfinished_sweep_is_told_as_far_as_it_is(make):
    folder = make(limit=6)
    text = Reader(pages.render_page([folder])).text
    assert "The sweep is not complete: 6 of 12 points have ended" in text
    assert "Knee design" not in text


def test_low_accuracy_is_warned_of(make):
    def careless(task):
        found = sweeps.outcome(task)
        if found.row is None:
            return found
        energy = found.row["energy_uj"]
        return Outcome(found.row | {"accuracy": 0.1 * energy**0.5}, None, 0.1)

    folder = make(sweeps.TEXT.replace("constraints: {accuracy: {min: 0.2}}\n", ""), find=careless)
    text = Reader(pages.render_page([folder])).text
    assert re.search(r"the knee design gives up \d+\.\d points against the best", text)


def test_all_points_failed(make):
    folder = make(find=lambda task: Outcome(None, "MappingError: no room", 0.1))
    text = Reader(pages.render_page([folder])).text
    assert "12 points of 12 gave no result." in text
    assert "0 designs of rap on vit_digits. None of them is feasible" in text


def test_no_point_has_ended(make):
    folder = make(limit=1)
    asked = load_sweep(folder / "sweep.yaml")
    write_frame(open_sweep(folder).frame.iloc[:0], asked, folder)
    with pytest.raises(InputError, match=r"no point of the sweep 'example' has ended; go on"):
        pages.render_page([folder])


def test_a_knee_without_a_front_is_explained(make):
    folder = make(sweeps.TEXT.replace("min: 0.2", "min: 0.99"))
    note(folder, without_knee={"vit_digits": "no point of it keeps the constraints"})
    text = Reader(pages.render_page([folder])).text
    assert "of which 10 break a constraint" in text
    assert "The knee of vit_digits has no result here: no point of it keeps" in text


def test_a_damaged_knee_is_told_and_the_rest_stays(make, written):
    folder = make(knee=written)
    result = folder / "knee" / "0" / "result.json"
    result.write_text(result.read_text()[:100])
    text = Reader(pages.render_page([folder])).text
    assert "The knee of vit_digits has no result here:" in text
    assert "run the sweep again with --resume" in text
    assert "Designs that none beats" in text


def test_several_workloads_and_seeds(make, written):
    folder = make(TWO.replace("samples: 4", "samples: 4\nseeds: [0, 1]"), knee=written)
    page = pages.render_page([folder])
    reader = Reader(page)
    assert len(reader.identifiers) == len(set(reader.identifiers))
    assert reader.targets <= set(reader.identifiers)
    for number, workload in enumerate(("vit_digits", "bert_base"), 1):
        assert f"{workload}: designs that none beats" in reader.text
        assert f'<section id="front-{number}">' in page
        assert f'<section id="knee-{number}-energy">' in page
    assert "Judged with seed 0, the first of 2." in reader.text


def test_one_objective_and_one_axis(make):
    text = re.sub(r"objectives: .*", "objectives: {energy_uj: minimize}", sweeps.TEXT)
    text = re.sub(r"  macros\.mram\.crossbar.*\n", "", text)
    page = pages.render_page([make(text)])
    assert "The best by energy per inference (less is better)." in Reader(page).text
    assert "The best by energy per inference is design 1 (adc.levels 5): " in Reader(page).text
    assert 'id="figure-knobs-energy-uj"' in page


def test_equally_good_designs_are_counted(make):
    text = re.sub(r"objectives: .*", "objectives: {latency_us: minimize}", sweeps.TEXT)
    record = open_sweep(folder := make(text))
    own = record.frame[record.frame["feasible"] == True]  # noqa: E712
    equal = int((own["latency_us"] == own["latency_us"].min()).sum())
    assert equal > 2
    text = Reader(pages.render_page([folder])).text
    assert re.search(rf"The best by latency is design .*; {equal - 1} others equal it\.", text)


def test_a_design_that_is_best_in_everything_is_no_compromise(make):
    goals = "objectives: {energy_uj: minimize, area_mm2: minimize}"
    text = Reader(pages.render_page([make(re.sub(r"objectives: .*", goals, sweeps.TEXT))])).text
    assert "The best by energy per inference and chip area is design 0" in text
    assert "knee" not in text


def test_designs_that_a_search_meets_again_count_once(make):
    folder = make()
    record = open_sweep(folder)
    twice = pd.concat([record.frame, record.frame.assign(point=record.frame["point"] + 12)])
    asked = load_sweep(folder / "sweep.yaml")
    write_frame(twice, asked, folder)
    judged = sweep_front.judge(open_sweep(folder), "vit_digits")
    assert len(judged.designs) == 10
    assert not judged.best["design"].duplicated().any()


def test_ten_thousand_points_make_a_small_page(make):
    axes = "  chip.clock_ghz: {from: 0.5, to: 2.0}\n"
    text = re.sub(r"axes:\n(  .*\n)+", f"axes:\n{axes}", sweeps.TEXT)
    folder = make(text.replace("samples: 4", "samples: 4\nsampler: {model: random, points: 2}"))
    record = open_sweep(folder)
    generator = np.random.default_rng(0)
    count = 10_000
    frame = record.frame.iloc[[0] * count].assign(
        point=range(count),
        design=range(count),
        accuracy=generator.random(count),
        energy_uj=generator.lognormal(size=count),
        latency_us=generator.lognormal(size=count),
    )
    frame[sweeps.CLOCK] = generator.uniform(0.5, 2.0, count)
    frame["feasible"] = frame["accuracy"] > 0.2
    asked = load_sweep(folder / "sweep.yaml")
    write_frame(frame, asked, folder)
    note(folder, points=count, complete=True)
    page = pages.render_page([folder])
    assert "10 000 designs of rap on vit_digits" in Reader(page).text
    assert len(page) < 3_000_000
    assert page.count("<use") < 5_000
    assert page.count("<tr") < 200


def test_differences_that_cannot_be_worked_out_are_told(make):
    folder = make()
    (folder / "architecture.yaml").write_text("schema_version: 1\nname: rap\n")
    assert "The architecture cannot be read again:" in Reader(pages.render_page([folder])).text


def test_overrides_of_a_design_are_those_of_its_row(swept):
    record = open_sweep(swept)
    judged = sweep_front.judge(record, "vit_digits")
    for metric, row in judged.extremes().items():
        overrides = dict(text.split("=") for text in json.loads(row["overrides"]))
        assert float(overrides[sweeps.LEVELS]) == row[sweeps.LEVELS]
        values = judged.best[metric]
        assert row[metric] == (values.max() if metric == "accuracy" else values.min())
