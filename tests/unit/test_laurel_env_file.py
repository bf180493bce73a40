"""Files of KEY=VALUE lines."""

from pathlib import Path

import pytest
from laurel import env_file

PATH = Path("/etc/laurel/site.env")


def test_a_line_that_is_no_setting_is_named_with_its_file_and_number() -> None:
    text = b"# a comment\n\nREDIS_URL=redis://a\nnonsense\n9LIVES=1\nA B=1\n=1\nexport\nLAST=1"
    found = env_file.parse(text, PATH)
    assert found.values == {"REDIS_URL": "redis://a", "LAST": "1"}
    assert found.problems == [
        f"{PATH}, line {number}: not KEY=VALUE, left out" for number in (4, 5, 6, 7, 8)
    ]
    assert found.places == {"REDIS_URL": f"{PATH}, line 3", "LAST": f"{PATH}, line 9"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a b", "a b"),
        ("'a b'", "a b"),
        ('"a b"', "a b"),
        ('"it\'s"', "it's"),
        ("'a' 'b'x", "'a' 'b'x"),
        ("'", "'"),
        ("abca", "abca"),
        ("a=b#c$d%e", "a=b#c$d%e"),
        ("caf\u00e9\u2028x", "caf\u00e9\u2028x"),
        ("a\tb", "a\tb"),
        ("", ""),
    ],
)
def test_a_value_is_what_follows_the_first_equals_sign(written: str, meant: str) -> None:
    found = env_file.parse(f"KEY={written}\n".encode(), PATH)
    assert (found.values, found.problems) == ({"KEY": meant}, [])


def test_an_export_is_told_apart() -> None:
    found = env_file.parse(b"export  A='1 2'\nB=3\nexport_C=4\n", PATH)
    assert found.exported == {"A": "1 2"}
    assert found.values == {"B": "3", "export_C": "4"}


def test_a_file_that_windows_saved_is_read() -> None:
    found = env_file.parse(b"\xef\xbb\xbfA=1\r\nB='2'\r\n", PATH)
    assert (found.values, found.problems) == ({"A": "1", "B": "2"}, [])


def test_what_no_environment_can_hold_is_left_out_and_the_rest_taken() -> None:
    found = env_file.parse(b"A=\xff\nB=a\x00b\nC=1\n", PATH)
    assert found.values == {"C": "1"}
    assert found.problems == [
        f"{PATH}, line 1: not UTF-8, left out",
        f"{PATH}, line 2: B holds a control character, left out",
    ]


def test_a_file_that_is_missing_holds_nothing(tmp_path: Path) -> None:
    assert env_file.read(tmp_path / "site.env") == env_file.EnvFile()
