import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.embedded.generation import Finish, Form, Generation, Piece, Plan, StopStrings, embed
from node_image.embedded.sampling import Sampling


def run(loaded, prompt, **options):
    tokens = loaded.service.tokens
    options = {"max_tokens": 60, "sampling": Sampling(temperature=0.0), **options}
    plan = Plan(prompt=tuple(tokens.encode(prompt)), **options)
    generation = Generation(plan, index=0, choice=0, model=loaded.model, tokens=tokens)
    pieces: list[Piece] = []
    while not pieces or pieces[-1].finish is None:
        piece = generation.step()
        if piece is not None:
            pieces.append(piece)
    return pieces


def text_of(pieces):
    return "".join(piece.text for piece in pieces)


HELLO = "<|user|>Hello<|end|><|assistant|>"


def test_ends_where_the_model_ends(loaded):
    pieces = run(loaded, HELLO)
    assert text_of(pieces).startswith("Hello")
    assert pieces[-1].finish is Finish.STOP


def test_ends_at_its_limit_and_counts_every_token(loaded):
    pieces = run(loaded, HELLO, max_tokens=4)
    assert pieces[-1].finish is Finish.LENGTH
    assert sum(piece.tokens for piece in pieces) == 4


def test_ignoring_the_end_goes_on_to_the_limit(loaded):
    pieces = run(loaded, HELLO, ignore_end=True, max_tokens=50)
    assert sum(piece.tokens for piece in pieces) == 50


def test_ends_when_the_context_is_full(loaded):
    room = loaded.model.shape.context
    pieces = run(loaded, "a" + " a" * (room - 2), max_tokens=9, ignore_end=True)
    assert pieces[-1].finish is Finish.LENGTH
    assert 0 < sum(piece.tokens for piece in pieces) < 9


def test_a_stop_string_is_not_shown(loaded):
    whole = text_of(run(loaded, HELLO))
    stop = whole[4:9]
    pieces = run(loaded, HELLO, stop=("no such", stop))
    assert text_of(pieces) == whole[: whole.index(stop)]
    assert pieces[-1].finish is Finish.STOP


def test_logprobs_come_with_every_token(loaded):
    pieces = run(loaded, HELLO, max_tokens=5, sampling=Sampling(temperature=0.0, logprobs=3))
    entries = [entry for piece in pieces for entry in piece.logprobs]
    assert len(entries) == 5
    assert all(len(entry.top) == 3 and entry.token == entry.top[0][0] for entry in entries)


def test_text_never_holds_a_control_token(loaded):
    sampling = Sampling(temperature=2.0, seed=5)
    pieces = run(loaded, HELLO, sampling=sampling, ignore_end=True, max_tokens=200)
    assert "<|" not in text_of(pieces)
    assert {piece.form for piece in pieces} == {Form.TEXT}


STOPS = st.lists(st.text(alphabet="abc", min_size=1, max_size=3), max_size=3)


@given(st.text(alphabet="abc", max_size=30), STOPS, st.integers(1, 4))
def test_stop_strings_do_not_depend_on_the_cut(text, stops, size):
    reader, shown = StopStrings(tuple(stops)), ""
    stopped = False
    for at in range(0, len(text), size):
        new, stopped = reader.feed(text[at : at + size])
        shown += new
        if stopped:
            break
    shown += reader.rest()
    found = [text.index(stop) + len(stop) for stop in stops if stop in text]
    assert stopped == bool(found)
    assert text.startswith(shown)
    if not found:
        assert shown == text
    assert not any(stop in shown for stop in stops)


def test_an_embedding_has_length_one_and_reads_its_text(loaded):
    tokens = loaded.service.tokens
    vectors = [embed(loaded.model, tokens.encode(text)) for text in ("a list", "a list", "Paris")]
    assert float(vectors[0] @ vectors[0]) == pytest.approx(1, abs=1e-5)
    assert float(vectors[0] @ vectors[1]) > float(vectors[0] @ vectors[2])
