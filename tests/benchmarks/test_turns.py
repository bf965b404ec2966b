from benchmarks.stage import in_turn


def test_each_round_begins_with_another_contestant_and_leaves_none_out() -> None:
    assert [in_turn("abc", number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert in_turn("", 3) == []
