"""The pure parts of the leak measurement: cutting a recording, features, folds, the majority."""

import random

import pytest

from bench import leak_judge
from bench.leak_exchanges import (
    NOTHING,
    Asked,
    Exchange,
    exchanges,
    gaps,
    read_notes,
    seconds,
    sequence,
    total_bytes,
    total_time,
)
from bench.leak_node import exact_records
from bench.leak_prompts import TOPICS, questions
from openpcc.protocol.sealing.records import decode_record

SECOND = 10**9


def asked(began: int = 0, ended: int = SECOND, lane: int = 0) -> Asked:
    return Asked(
        way="paced", lane=lane, topic="t", subject="t/s", began=began, first=began, ended=ended,
        events=1, text=1,
    )  # fmt: skip


NOTES = read_notes(
    [
        "0 1 up 100 4000",
        "0 1 up 200 1447",
        "0 1 down 50000200 2126",
        "0 1 down 100000200 2093",
        "1 1 down 150000000 7",
        "0 1 up 2000000000 5447",
    ]
)


def test_an_exchange_counts_from_the_last_byte_of_its_request():
    (found,) = exchanges([asked()], NOTES)
    assert found.request == 5447
    assert found.sizes == (2126, 2093)
    assert found.times == (0.05, 0.1)
    assert gaps(found) == pytest.approx([0.05])


def test_another_lane_and_a_later_request_are_not_of_it():
    assert len(exchanges([asked(lane=1)], NOTES)) == 0
    assert exchanges([asked(began=2 * SECOND, ended=3 * SECOND)], NOTES) == []


def test_an_exchange_beside_which_something_else_passed_is_left_out():
    more = read_notes(["0 2 down 60000000 100"])
    assert exchanges([asked()], [*NOTES, *more]) == []


def test_features_say_where_a_sequence_ended_only_as_far_as_they_look():
    (found,) = exchanges([asked()], NOTES)
    assert sequence(found, 1) == [2126.0, 0.0]
    assert sequence(found, 3)[:3] == [2126.0, 2093.0, NOTHING]
    assert len(sequence(found, 3)) == 6
    assert total_time(found) == [0.1]
    assert total_bytes(found) == [4219.0, 2.0]


def test_a_paced_answer_is_counted_in_whole_seconds():
    for count in (1, 2, 22):
        sizes = (105, 2126, *[2093] * (20 * count - 2), 2122)
        one = Exchange(asked=asked(), request=1, sizes=sizes, times=(0.0,) * len(sizes))
        assert seconds(one) == count


def test_no_subject_is_on_both_sides_of_a_fold_and_every_answer_is_tested_once():
    topics = [topic for topic in "abcd" for _ in range(30)]
    subjects = [f"{topic}{number % 10}" for number, topic in enumerate(topics)]
    tested: list[int] = []
    for train, test in leak_judge.folds(topics, subjects, 8):
        assert not {subjects[one] for one in train} & {subjects[one] for one in test}
        tested += test
    assert sorted(tested) == list(range(len(topics)))
    assert leak_judge.folds(topics, subjects, 8) == leak_judge.folds(topics, subjects, 8)


def test_trees_find_what_is_there_and_the_majority_where_nothing_is():
    draw = random.Random(1)
    topics = [topic for topic in "abcd" for _ in range(40)]
    subjects = [str(number) for number in range(len(topics))]
    telling = [[float("abcd".index(topic)) + draw.random() / 2] for topic in topics]
    found = leak_judge.score(telling, topics, subjects)
    assert found.accuracy > 0.9
    silent = leak_judge.score([[1.0] for _ in topics], topics, subjects)
    assert silent.accuracy == silent.baseline == pytest.approx(0.25, abs=0.05)


def test_the_interval_holds_the_share_and_narrows_with_the_count():
    low, high = leak_judge.wilson(0.25, 100)
    assert (round(low, 3), round(high, 3)) == (0.175, 0.343)
    assert leak_judge.wilson(0.25, 10000)[0] > low


def test_questions_are_balanced_different_and_the_same_every_time():
    chosen = questions(400)
    assert {t: sum(one.topic == t for one in chosen) for t in TOPICS} == dict.fromkeys(TOPICS, 100)
    assert len({str(one.body["messages"]) for one in chosen}) == 400
    assert chosen == questions(400)


@pytest.mark.parametrize("size", [0, 1, 511, 16382, 40000])
def test_the_unpadded_way_pads_nothing(size: int):
    records = exact_records(b"x" * size)
    assert sum(map(len, records)) == size + 2 * len(records)
    assert b"".join(map(decode_record, records)) == b"x" * size
