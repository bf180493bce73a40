"""Samples of the patterns of a URL configuration: each matches its pattern, or there is none."""

import re

import pytest
from project.findings import pattern


@pytest.mark.parametrize(
    ("regex", "sample"),
    [
        (r"^health/$", "health/"),
        (r"^health\.txt\Z", "health.txt"),
        (r"^/?ws/chat/(?P<room>\w+)/$", "ws/chat/laurel/"),
        (r"ws/chat/(?P<room>[^/]+)/?$", "ws/chat/laurel"),
        (r"^ws/(?P<n>\d+)/(?P<year>[0-9]{4})/$", "ws/1/1111/"),
        (r"^ws/(?P<t>(a|b))/[0-9a-f-]{36}$", "ws/a/00000000-0000-4000-8000-000000000000"),
        (r"^ws/(?P<t>(game|duel))/(?:v\d)?$", "ws/game/"),
        (r"^ws/(?P<code>[A-Z]{3})(?:-x){2}/$", "ws/AAA-x-x/"),
        (r"^ws/(?P<rest>.*)$", "ws/laurel"),
        (r"^(?!admin)(?P<name>\w+?)/$", "laurel/"),
        (r"(?i)^ws/[^\d\s]+/$", "ws/laurel/"),
        ("", ""),
    ],
)
def test_a_sample_matches_its_pattern(regex: str, sample: str) -> None:
    found = pattern.of_regex(regex)
    assert found
    assert found.text == sample
    assert re.search(regex, sample)


@pytest.mark.parametrize(
    "regex", [r"^ws/(?P<a>\w+)/(?P=a)/$", r"^(?=x)\w+/$", r"^[^\w.~-]/$", r"^(ws/$", r"^ws/(?<=x)$"]
)
def test_a_pattern_without_a_sample_that_matches_has_none(regex: str) -> None:
    assert pattern.of_regex(regex) is None


@pytest.mark.parametrize(
    ("regex", "exact"),
    [(r"^a/$", True), (r"^(?:a)/?\Z", True), (r"^\d/$", False), (r"^(a/|b/)$", False)],
)
def test_a_sample_is_exact_where_nothing_is_chosen(regex: str, exact: bool) -> None:
    found = pattern.of_regex(regex)
    assert found
    assert found.exact is exact


def test_a_converter_of_the_projects_own_has_no_sample() -> None:
    assert pattern.of_path("ws/<yyyy:year>/") is None
    assert pattern.of_path("ws/<uuid:id>/<slug:name>/<room>/") == pattern.Sample(
        "ws/00000000-0000-4000-8000-000000000000/laurel/laurel/", False
    )
