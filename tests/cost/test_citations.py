import pytest

from pimsim.cost.citations import bibtex, known_entries, parse_entries
from pimsim.errors import InputError, NotFoundError


def test_entries_come_sorted_and_once():
    text = bibtex(["yi2024", "horowitz2014", "yi2024", ""])
    assert text.count("@") == 2
    assert text.index("horowitz2014") < text.index("yi2024")


def test_no_key_gives_no_text():
    assert bibtex([]) == ""


def test_an_unknown_key_suggests_the_nearest():
    with pytest.raises(NotFoundError, match="did you mean 'horowitz2014'"):
        bibtex(["horowitz2013"])


@pytest.mark.parametrize("key", sorted(known_entries()))
def test_every_entry_has_balanced_braces_a_title_and_a_year(key):
    entry = known_entries()[key]
    assert entry.count("{") == entry.count("}")
    assert "title = {" in entry
    assert "year = {" in entry


@pytest.mark.parametrize("text", ["@misc one", "@misc{a, year = {1}}\n@misc{a, year = {2}}"])
def test_an_entry_without_a_key_of_its_own_is_refused(text):
    with pytest.raises(InputError, match="unreadable or repeated entry"):
        parse_entries(text)
