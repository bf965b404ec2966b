"""Who sends for whom: everything is sent once, and nobody is left behind."""

from hypothesis import given
from hypothesis import strategies as st

from workers.submission.combining import APPENDS_AT_ONCE, SENDERS, SHARED_AT, Combiner


def test_the_first_one_in_sends_and_those_behind_it_do_not() -> None:
    combiner: Combiner[int] = Combiner()

    assert combiner.add(1)
    assert [combiner.add(number) for number in (2, 3)] == [False, False]
    assert combiner.take() == [1, 2, 3]


def test_enough_that_wait_begin_a_round_trip_of_their_own() -> None:
    combiner: Combiner[int] = Combiner()
    combiner.add(0)
    combiner.take()

    lead = [combiner.add(number) for number in range(1, SHARED_AT + 1)]

    assert lead == [False] * (SHARED_AT - 1) + [True]


def test_no_more_round_trips_than_senders() -> None:
    combiner: Combiner[int] = Combiner()

    lead = [combiner.add(number) for number in range(20 * SHARED_AT)]

    assert sum(lead) == SENDERS


def test_a_round_trip_has_its_limit() -> None:
    combiner: Combiner[int] = Combiner()
    for number in range(APPENDS_AT_ONCE + 1):
        combiner.add(number)

    assert len(combiner.take()) == APPENDS_AT_ONCE
    assert combiner.take() == [APPENDS_AT_ONCE]


def test_the_lead_goes_to_one_that_waits_and_is_not_given_twice() -> None:
    combiner: Combiner[str] = Combiner()
    combiner.add("sent")
    combiner.take()
    for name in ("gone away", "waits"):
        combiner.add(name)
    combiner.begin_waiting("waits")

    assert combiner.hand_on() == (True, "waits")
    assert combiner.hand_on() == (False, None)
    assert not combiner.take_lead("gone away")
    assert combiner.take_lead("waits")
    assert not combiner.take_lead("waits")


def test_who_waits_no_longer_has_to_send_first_when_asked_to() -> None:
    combiner: Combiner[str] = Combiner()
    combiner.add("sent")
    combiner.take()
    combiner.add("waits")
    combiner.begin_waiting("waits")
    combiner.hand_on()

    assert combiner.end_waiting("waits")
    assert not combiner.end_waiting("waits")


def test_while_nobody_waits_the_sender_goes_on_itself() -> None:
    combiner: Combiner[str] = Combiner()
    combiner.add("sent")
    combiner.take()
    combiner.add("gone away")

    assert combiner.hand_on() == (False, None)
    assert combiner.take() == ["gone away"]
    assert combiner.hand_on() == (True, None)
    assert combiner.add("next")


@given(st.data())
def test_in_any_order_of_events_all_is_sent_once_and_all_places_are_given_back(data: st.DataObject) -> None:
    """Each number is a caller that submits, waits and acts on a lead; a sender is between two steps."""
    combiner: Combiner[int] = Combiner()
    sent: list[int] = []
    waiting: list[int] = []
    sending = 0
    submitted = 0

    def step() -> None:
        """Let one sender, whichever, finish its round trip."""
        nonlocal sending
        sent.extend(combiner.take())
        is_done, _ = combiner.hand_on()
        sending -= is_done

    for _ in range(data.draw(st.integers(0, 40))):
        match data.draw(st.sampled_from(["submit", "send", "wake", "leave"])):
            case "submit":
                sending += combiner.add(submitted)
                if data.draw(st.booleans()):
                    combiner.begin_waiting(submitted)
                    waiting.append(submitted)
                submitted += 1
            case "send" if sending:
                step()
            case "wake" if waiting:
                sending += combiner.take_lead(data.draw(st.sampled_from(waiting)))
            case "leave" if waiting:
                sending += combiner.end_waiting(waiting.pop(0))
    while sending or waiting:
        if sending:
            step()
        elif waiting:
            sending += combiner.end_waiting(waiting.pop(0))

    assert sorted(sent) == list(range(submitted))
    assert combiner.add(submitted), "a place among the senders was lost"
