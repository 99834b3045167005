from pathlib import Path

from digits.search import find_or_claim


def test_a_folder_belongs_to_its_settings():
    first = find_or_claim(Path("runs"), "x", {"study": "a"})
    assert find_or_claim(Path("runs"), "x", {"study": "a"}) == first
    second = find_or_claim(Path("runs"), "x", {"study": "b"})  # a deleted journal, or another --storage
    assert second != first
    assert find_or_claim(Path("runs"), "x", {"study": "a"}) == first


def test_what_is_done_gets_a_new_folder():
    first = find_or_claim(Path("runs"), "x", {"folds": 2}, "result.json")
    (first / "result.json").touch()
    assert find_or_claim(Path("runs"), "x", {"folds": 2}, "result.json") != first
