"""Files of KEY=VALUE lines."""

from pathlib import Path

import pytest
from laurel import env_file

NAME = "/etc/laurel/site.env"


def test_other_lines_are_reported_with_their_place() -> None:
    text = b"# a comment\n\nREDIS_URL=redis://a\nnonsense\n9LIVES=1\nA B=1\n=1\nexport\nLAST=1"
    found = env_file.parse(text, NAME)
    assert found.values == {"REDIS_URL": "redis://a", "LAST": "1"}
    assert found.problems == [
        f"{NAME}, line {number}: not KEY=VALUE; the line is ignored" for number in (4, 5, 6, 7, 8)
    ]
    assert found.places == {"REDIS_URL": f"{NAME}, line 3", "LAST": f"{NAME}, line 9"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a b", "a b"),
        ('"a b"', "a b"),
        ('"it\'s"', "it's"),
        ("'a' 'b'x", "'a' 'b'x"),
        ("'", "'"),
        ("a=b#c$d%e", "a=b#c$d%e"),
        ("caf\u00e9\u2028x", "caf\u00e9\u2028x"),
        ("", ""),
    ],
)
def test_value_is_what_follows_the_first_equals_sign(written: str, value: str) -> None:
    found = env_file.parse(f"KEY={written}\n".encode(), NAME)
    assert (found.values, found.problems) == ({"KEY": value}, [])


def test_exports_are_kept_apart() -> None:
    found = env_file.parse(b"export  A='1 2'\nB=3\nexport_C=4\nexport\tD=5\n", NAME)
    assert found.exported == {"A": "1 2", "D": "5"}
    assert found.values == {"B": "3", "export_C": "4"}


def test_file_from_windows_is_read() -> None:
    found = env_file.parse(b"\xef\xbb\xbfA=1\r\nB='2'\r\n", NAME)
    assert (found.values, found.problems) == ({"A": "1", "B": "2"}, [])


def test_bytes_that_no_environment_can_hold_are_reported() -> None:
    found = env_file.parse(b"A=\xff\nB=a\x00b\nC=1\n", NAME)
    assert found.values == {"C": "1"}
    assert found.problems == [
        f"{NAME}, line 1: not UTF-8; the line is ignored",
        f"{NAME}, line 2: B has a control character; the line is ignored",
    ]


def test_missing_file_is_empty(tmp_path: Path) -> None:
    assert env_file.read(tmp_path / "site.env") == env_file.EnvFile()


def test_written_values_are_read_as_they_were() -> None:
    values = {"A": "'x' \"y\"", "B": "plain = text", "C": '"quoted"', "D": "$(x) #"}
    text = env_file.text({**values, "EMPTY": ""})
    assert env_file.parse(text.encode(), "a").values == values
