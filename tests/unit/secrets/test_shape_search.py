"""The quick search finds what asking for each shape would find, and nothing else."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.secrets.masker import Shape, ShapeSearch

# Few characters, of one to four octets and half a surrogate pair, so that much is nearly alike.
ALPHABET = "ab1é€😀\ud83d"
PIECES = st.text(ALPHABET, min_size=1, max_size=9)


def looking_for(*texts: str) -> ShapeSearch:
    search = ShapeSearch()
    search.add([Shape(text) for text in texts])
    return search


def found(search: ShapeSearch, text: str) -> set[str]:
    return {shape.text for shape in search.found_in(text)}


@given(st.lists(PIECES, min_size=1), st.lists(PIECES), st.data())
def test_it_finds_what_asking_for_each_would_find(
    texts: list[str], gone: list[str], data: st.DataObject
) -> None:
    search = looking_for(*texts, *gone)
    search.remove([Shape(text) for text in gone])
    haystack = "".join(data.draw(st.lists(st.sampled_from(texts + gone) | PIECES, max_size=8)))
    assert found(search, haystack) == {text for text in texts if text in haystack}


@pytest.mark.parametrize("length", range(1, 13))
@pytest.mark.parametrize("ahead", range(9))
def test_it_finds_a_shape_of_any_length_wherever_it_stands(length: int, ahead: int) -> None:
    shape = "0123456789ab"[:length]
    search = looking_for(shape, "another one")
    for behind in range(5):
        assert found(search, "." * ahead + shape + "." * behind) == {shape}


@pytest.mark.parametrize("text", ["abc", "the long shape"])
def test_what_was_added_twice_is_found_until_it_is_removed_twice(text: str) -> None:
    search = looking_for(text, text)
    search.remove([Shape(text)])
    assert found(search, text) == {text}
    search.remove([Shape(text)])
    assert found(search, text) == set()


def test_both_of_two_shapes_that_differ_in_what_surrounds_them_are_found() -> None:
    search = ShapeSearch()
    shapes = [Shape("c2VjcmV0", before, after=0) for before in (0, 1)]
    search.add(shapes)
    assert search.found_in("xc2VjcmV0") == set(shapes)


def test_nothing_is_found_in_nothing() -> None:
    assert found(ShapeSearch(), "any text") == set()
    assert found(looking_for("a", "the long shape"), "") == set()


def test_what_is_removed_takes_no_memory() -> None:
    search = ShapeSearch()
    tracemalloc.start()
    try:
        for number in range(2000):
            shapes = [Shape(f"{number:07}-secret")]
            search.add(shapes)
            search.remove(shapes)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 50_000  # octets; 2000 shapes would take a million
