"""Text from outside, made visible."""

import pytest

from openpcc.audit.visible import html, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("entry 17, 8 ≤ 9: schön, 日本語, שלום", "entry 17, 8 ≤ 9: schön, 日本語, שלום"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\x1b[2Jb", "a⟨U+001B⟩[2Jb"),
        ("a\u200bb\u00adc", "a⟨U+200B⟩b⟨U+00AD⟩c"),
        ("\u3164\u2800\ufe0f", "⟨U+3164⟩⟨U+2800⟩⟨U+FE0F⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("Z\u0301\u0302\u0303\u0304", "Z\u0301\u0302\u0303⟨U+0304⟩"),
        ("a\nb\tc", "a⟨U+000A⟩b⟨U+0009⟩c"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str):
    assert plain(text) == shown


def test_markup_is_escaped_for_text_and_for_attributes():
    assert html("<a href='x'>\"&") == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;"
