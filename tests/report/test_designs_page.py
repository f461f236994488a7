"""Several results on one page: who is better in what, what differs, and nothing said twice."""

import dataclasses
import re

import pytest

from pimsim.config import load_architecture
from pimsim.errors import InputError, OutputError
from pimsim.report import pages, write
from pimsim.report.designs_diff import ABSENT, diff_table, differences
from tests.report import sweeps
from tests.report.conftest import build
from tests.report.reading import Reader, external


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """The folder of another chip's result on the same workload; tests must not change it."""
    result = build()
    changed = dataclasses.replace(
        result,
        architecture_name="conventional",
        latency_us=2 * result.latency_us,
        energy_uj=result.energy_uj / 2,
        notes=("only the other says this",),
        manifest=dataclasses.replace(result.manifest, seed=7),
    )
    return write(changed, tmp_path_factory.mktemp("others") / "second")


@pytest.fixture(scope="session")
def page(written, other):
    return pages.render_page([written, other])


@pytest.fixture(scope="session")
def text(page):
    return Reader(page).text


def test_the_page_stands_alone(page):
    reader = Reader(page)
    assert external(page) == []
    assert "http" not in page
    assert len(reader.identifiers) == len(set(reader.identifiers))
    assert reader.targets <= set(reader.identifiers)


def test_the_lead_says_who_is_best_in_what(text):
    assert "2 designs run toy, batch 1: " in text
    assert "conventional has the least energy" in text
    assert "rap has the best accuracy, shortest latency and smallest area" in text


def test_accuracies_an_answer_apart_are_a_tie(text):
    """Both have the same accuracy here."""
    assert re.search(r"The two best accuracies are less than two of \d+ answers apart: a tie", text)


def test_ratios_are_over_the_first(page):
    start = page.index('<section id="designs">')
    row = re.search(r"<th[^>]*>conventional</th>(.*?)</tr>", page[start:])[1]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert cells[3] == "2.00×"
    assert cells[5] == "0.500×"


def test_breakdowns_and_accuracy_are_drawn_side_by_side(page):
    for quantity in ("energy", "area", "latency", "accuracy"):
        assert f'id="figure-designs-{quantity}"' in page


def test_baselines_and_sources_stand_there_once(page, text):
    elsewhere = page[page.index('<section id="elsewhere">') :]
    rows = elsewhere[: elsewhere.index("</tbody>")]
    assert rows.count(">NVIDIA A100</th>") == 1
    assert "rap (compared here)" in rows
    assert "conventional (compared here)" in rows
    assert text.count('Fig. 1.1.9, "rough" costs') == 1


def test_notes_of_one_run_are_told_as_its_own(text):
    assert "conventional: only the other says this" in text
    assert "rap: BitSift is not modelled yet" in text


def test_manifests_are_split_into_same_and_different(page):
    manifests = page[page.index('<section id="manifests">') :]
    same, different = manifests.split("Different</h3>")
    assert ">pimsim</th>" in same
    assert ">Seed</th><td>0</td><td>7</td>" in different
    assert ">Seed</th>" not in same


def test_a_chip_that_was_not_kept_is_told(text):
    assert "The chip of rap is not kept with its result:" in text


def test_other_workloads_are_compared_apart(written, other, tmp_path, rebuilt):
    apart = write(rebuilt(workload={"name": "elf", "parameters": 1, "macs": 1}), tmp_path / "elf")
    page = pages.render_page([written, other, apart])
    text = Reader(page).text
    assert "Only elf runs elf, batch 1." in text
    assert "2 designs run toy, batch 1:" in text
    assert '<section id="designs-2">' in page
    assert len(Reader(page).identifiers) == len(set(Reader(page).identifiers))


def test_results_without_accuracy_are_compared_all_the_same(written, tmp_path, rebuilt):
    shapes = write(rebuilt(accuracy=None, architecture_name="bare"), tmp_path / "bare")
    page = pages.render_page([shapes, written])
    assert "rap has the best accuracy" in Reader(page).text


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {}),
        (["macros.mram.adc.levels=17"], {"macros.mram.adc.levels": ("9", "17")}),
        (
            ["chip.clock_ghz=0.123456789", "units.gelu.model=fp32_gelu"],
            {"units.gelu.model": ("ibert_gelu", "fp32_gelu"), "chip.clock_ghz": ("1", "0.123457")},
        ),
    ],
)
def test_differences_are_the_keys_that_were_changed(overrides, expected):
    chips = {"base": load_architecture("rap"), "new": load_architecture("rap", overrides=overrides)}
    assert differences(chips) == expected


def test_a_section_that_a_design_lacks_is_one_key():
    conventional, rap = load_architecture("conventional"), load_architecture("rap")
    found = differences({"conventional": conventional, "rap": rap})
    assert found["macros.mram.adc.levels"] == (ABSENT, "9")
    lacking = [key for key, values in found.items() if key.startswith("cost.variants.paper_table")]
    assert len(lacking) == len(
        set(rap.cost.variants) & {"paper_table", "paper_table_72", "paper_table_1"}
    )
    assert not {"name", "description", "notes"} & set(found)


def test_equal_designs_are_said_to_be():
    rap = load_architecture("rap")
    assert "They do not differ in any key." in diff_table({"a": rap, "b": rap})


def test_one_result_is_its_own_page(written):
    stored = (written / "report.html").read_text(encoding="utf-8")
    assert pages.render_page([written]) == stored


def test_sweeps_and_results_share_a_page(written, other, tmp_path):
    first = sweeps.run(tmp_path / "a")
    second = sweeps.run(tmp_path / "b")
    page = pages.render_page([written, first, other, second])
    reader = Reader(page)
    assert external(page) == []
    assert len(reader.identifiers) == len(set(reader.identifiers))
    assert reader.targets <= set(reader.identifiers)
    assert "Sweep example in a, Sweep example in b and 2 designs compared" in reader.text
    nav = page[page.index("<nav") : page.index("</nav>")]
    assert nav.count("<a ") == 3


def test_the_page_goes_into_the_folder_unless_told(tmp_path, monkeypatch, written, other):
    monkeypatch.chdir(tmp_path)
    sweep = sweeps.run(tmp_path / "a", limit=3)
    assert pages.write_page([sweep]) == sweep / "report.html"
    assert (sweep / "report.html").read_text(encoding="utf-8") == pages.render_page([sweep])
    monkeypatch.setattr(pages, "render_page", lambda folders: "page")
    assert pages.write_page([written, other]).as_posix() == "pimsim-out/report.html"
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_page_of_ours_is_replaced_and_nothing_else(tmp_path, monkeypatch, written):
    monkeypatch.setattr(pages, "render_page", lambda folders: f"<title>x{pages.MARK}\nnew")
    target = tmp_path / "deep" / "page.html"
    assert pages.write_page([written], target) == target
    assert pages.write_page([written], target) == target
    for content in ("", "<title>mine</title>", "\ufeffnotes"):
        target.write_text(content, encoding="utf-8")
        with pytest.raises(OutputError, match=r"is there and is no page of pimsim's"):
            pages.write_page([written], target)
        assert target.read_text(encoding="utf-8") == content
    with pytest.raises(OutputError, match="is a folder"):
        pages.write_page([written], tmp_path)
    with pytest.raises(OutputError, match="cannot write to"):
        pages.write_page([written], target / "below.html")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: [], "name the folder of a sweep or of a result"),
        (lambda place: [place / "absent"], "absent: there is no such folder"),
        (lambda place: [place], "holds neither a sweep"),
        (lambda place: [place / "file"], "file: is a file; name the folder"),
    ],
)
def test_what_is_neither_is_named(make, message, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=message):
        pages.render_page(make(tmp_path))


def test_a_folder_given_twice_is_named(written):
    with pytest.raises(InputError, match="is given twice"):
        pages.render_page([written, written.parent / "." / written.name])


@pytest.mark.parametrize("name", ["sweep.json", "points.parquet"])
def test_a_damaged_sweep_is_named_with_the_way_out(tmp_path, name):
    folder = sweeps.run(tmp_path / "a", limit=2)
    (folder / name).write_bytes((folder / name).read_bytes()[:40])
    with pytest.raises(InputError, match=rf"{name}: is not what pimsim wrote .*--resume"):
        pages.render_page([folder])


def test_a_sweep_without_its_frame_says_how_to_go_on(tmp_path):
    folder = sweeps.run(tmp_path / "a", limit=2)
    (folder / "points.parquet").unlink()
    with pytest.raises(InputError, match=r"was stopped before it wrote points.parquet"):
        pages.render_page([folder])
