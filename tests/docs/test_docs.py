"""Documents that follow from the code are up to date, and say what they must."""

import re
import runpy
import tomllib
from pathlib import Path

import pimsim

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_table_of_keys_is_the_models():
    """If this fails: python scripts/make_docs.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_docs.py"))
    assert (ROOT / "docs" / "architecture_keys.md").read_text() == script["architecture_keys"]()


def test_every_key_has_a_meaning():
    rows = (ROOT / "docs" / "architecture_keys.md").read_text().splitlines()
    assert not [row for row in rows if row.startswith("| `") and row.endswith("|  |")]


def test_the_readme_starts_with_the_two_commands():
    blocks = re.findall(r"^```\w*\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    assert blocks[0].splitlines() == [
        "pip install . && pimsim run",
        "pip install '.[test]' && pytest",
    ]


def test_the_readme_names_what_is_missing_and_pending():
    for words in ("BitSift", "eMSB-Q", "VDR-Softmax", "US 2026/0187190 A1", "US 2026/0187430 A1",
                  "US 2026/0187429 A1"):  # fmt: skip
        assert words in README


def test_local_links_of_all_pages_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert f"version: {pimsim.__version__}\n" in (ROOT / "CITATION.cff").read_text()
