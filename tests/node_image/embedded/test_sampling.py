import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.embedded.sampling import Sampler, Sampling

LOGITS = np.array([1.0, 3.0, 2.0, -1.0], np.float32)
ALL = np.ones(4, bool)


def draw(count=200, allowed=ALL, **options):
    sampler = Sampler(Sampling(**options))
    return [sampler.choose(LOGITS, allowed) for _ in range(count)]


def test_temperature_zero_takes_the_likeliest():
    assert set(draw(temperature=0.0)) == {1}


def test_a_seed_decides_everything():
    assert draw(seed=7) == draw(seed=7)
    assert draw(seed=7) != draw(seed=8)
    assert draw(seed=-1) == draw(seed=-1)


def test_without_a_seed_draws_differ():
    assert draw() != draw()


def test_choices_of_one_request_differ():
    samplers = [Sampler(Sampling(seed=7), index=index) for index in (0, 1)]
    first, second = ([s.choose(LOGITS, ALL) for _ in range(100)] for s in samplers)
    assert first != second


CUTS = [
    ({"top_p": 0.5}, {1}),
    ({"top_p": 0.8}, {1, 2}),
    ({"top_k": 2}, {1, 2}),
    ({"top_p": 0.0}, {1}),
]


@pytest.mark.parametrize(("options", "reached"), CUTS)
def test_rare_tokens_are_cut_off(options, reached):
    assert set(draw(seed=1, **options)) == reached


def test_draws_follow_the_probabilities():
    found = np.bincount(draw(20_000, seed=3), minlength=4) / 20_000
    expected = np.exp(LOGITS) / np.exp(LOGITS).sum()
    assert np.abs(found - expected).max() < 0.02


def test_only_allowed_tokens_are_taken():
    assert set(draw(allowed=np.array([True, False, False, True]))) <= {0, 3}


def test_penalties_push_away_what_was_said():
    assert draw(4, temperature=0.0, presence_penalty=1.5) == [1, 2, 1, 1]
    assert len(set(draw(4, temperature=0.0, frequency_penalty=2.0))) > 1


def test_bias_forces_and_forbids():
    assert set(draw(bias={3: 100.0})) == {3}
    assert 1 not in draw(bias={1: -100.0})


def test_logprobs_are_those_of_the_model():
    entry = Sampler(Sampling(temperature=0.1, bias={0: 5.0}, logprobs=2)).logprob(LOGITS, 2)
    expected = LOGITS - np.log(np.exp(LOGITS).sum())
    assert entry.logprob == pytest.approx(float(expected[2]), abs=1e-5)
    assert [token for token, _ in entry.top] == [1, 2]


MANY = st.lists(st.floats(-80, 80, width=32), min_size=2, max_size=50)


@given(MANY, st.floats(0, 2), st.floats(0, 1))
def test_any_logits_give_a_token(logits, temperature, top_p):
    values = np.array(logits, np.float32)
    sampler = Sampler(Sampling(temperature=temperature, top_p=top_p, seed=1))
    assert 0 <= sampler.choose(values, np.ones(len(values), bool)) < len(values)
