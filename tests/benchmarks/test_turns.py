import base64
from urllib.parse import parse_qs

from benchmarks.figures.growth import cursor_after
from benchmarks.stage import in_turn


def test_each_round_begins_with_another_contestant_and_leaves_none_out() -> None:
    assert [in_turn("abc", number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert in_turn("", 3) == []


def test_a_deep_page_is_named_as_rest_framework_names_it() -> None:
    assert parse_qs(base64.b64decode(cursor_after(499_950)).decode()) == {"p": ["499950"]}
