import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.cli.wheel_record import MalformedRecordError, RecordedFile, parse

DIGEST = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_reads_a_row_with_and_without_a_digest():
    assert parse(f'a/b.py,sha256={DIGEST},0\n"x,y",,\n') == [
        RecordedFile(path="a/b.py", digest=DIGEST),
        RecordedFile(path="x,y", digest=None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a\n",
        "a,,,\n",
        ",,\n",
        "\n",
        f"a,sha256={DIGEST}=,0\n",
        f"a,sha512={DIGEST},0\n",
        "a,,01\n",
        "a,,+1\n",
        "a,,\na,,\n",
        'a,,"',
    ],
)
def test_rejects_what_is_not_a_record(text):
    with pytest.raises(MalformedRecordError, match="line"):
        parse(text)


@given(st.text(alphabet='a,"\r\n =\x00é1') | st.text())
def test_any_text_gives_files_or_this_modules_error(text):
    try:
        assert all(file.path for file in parse(text))
    except MalformedRecordError:
        pass
