"""What is printed while a run goes on."""

from skmmap.run.progress import _say_time


def test_times_are_said_as_a_person_would():
    assert [_say_time(s) for s in (0.2, 59.6, 61, 3700)] == [
        "0 s",
        "1 min 0 s",
        "1 min 1 s",
        "1 h 1 min",
    ]
