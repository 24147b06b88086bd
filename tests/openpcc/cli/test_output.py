import pytest

from openpcc.cli import output


@pytest.mark.parametrize(
    "text",
    ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x7f", "a\rb", "\u202egnp", "\u2066x", "\x00"],
)
def test_what_a_terminal_would_obey_is_not_printed(text, capsys):
    output.line(text)
    output.note(text)
    output.table(("A",), [(text,)])
    found = capsys.readouterr()
    assert not set(found.out + found.err) & set("\x1b\x07\x9b\x7f\r\u202e\u2066\x00")


def test_text_in_any_language_stays():
    assert output.clean("Grüße\n\t日本語 🌍") == "Grüße\n\t日本語 🌍"


def test_a_reply_for_a_file_keeps_every_character(capsys):
    output.stream("\x1b[2J")
    assert capsys.readouterr().out == "\x1b[2J"


def test_a_note_is_one_line(capsys):
    output.note("one\ntwo")
    assert capsys.readouterr().err == "one two\n"


def test_columns_are_as_wide_as_their_widest_cell():
    assert output.plain_table(("A", "LONG"), [("wide cell", "x"), ("y", "")]) == [
        "A          LONG",
        "wide cell  x",
        "y",
    ]


def test_rich_draws_for_a_terminal_and_reads_no_markup(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    output.table(("CHECK", "RESULT"), [("[red]x[/red]", "PASS")], title="T")
    assert "[red]x[/red]" in capsys.readouterr().out


def test_a_narrow_terminal_cuts_nothing(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    path = "/folder/" + "abcdefghij/" * 12 + "client.toml"
    output.table(("FOUND",), [(path,)])
    assert path in "".join(capsys.readouterr().out.split())


def test_a_table_is_plain_without_rich(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(output, "find_spec", lambda name: None)
    output.table(("A", "B"), [("1", "2")], title="T")
    assert capsys.readouterr().out == "T\nA  B\n1  2\n"
