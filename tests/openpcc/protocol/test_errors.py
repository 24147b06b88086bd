"""Codes and statuses are those of the sealing sheet."""

import pytest

from openpcc.protocol import errors

SHEET = {
    "malformed": 400,
    "unsupported": 400,
    "truncated": 400,
    "unknown-key": 422,
    "expired": 422,
    "unsealable": 422,
    "replayed": 409,
    "too-large": 413,
    "busy": 503,
}


@pytest.mark.parametrize("code", SHEET)
def test_every_code_has_its_class_and_status(code):
    error = errors.by_code(code)
    assert (error.code, error.status) == (code, SHEET[code])


def test_every_way_not_to_pay_has_a_code_of_its_own():
    statuses = {one.code: one.status for one in errors.TokenError.__subclasses__()}
    assert statuses == {
        "unsupported": 400, "token-origin": 401, "token-key": 401, "token-forged": 401
    }  # fmt: skip


def test_refuses_a_code_of_another_protocol():
    with pytest.raises(errors.UnsupportedError):
        errors.by_code("misuse")


def test_unsealable_has_one_text():
    with pytest.raises(TypeError):
        errors.UnsealableError("the tag failed")  # type: ignore[call-arg]
