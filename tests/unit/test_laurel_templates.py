"""Templates: placeholders, and files rendered once and not again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import nginx, templates
from laurel.errors import LaurelError
from laurel.settings import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for a machine's root; its templates are beside it."""
    monkeypatch.setattr(templates, "TEMPLATES", tmp_path / "templates")
    return tmp_path / "root"


def add_template(target: Path, text: str) -> None:
    path = templates.TEMPLATES / target.relative_to("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_setting_takes_the_place_of_its_name(make_settings: MakeSettings) -> None:
    rendered = templates.render("size @MAX_BODY@; @PROCESSES@\n", make_settings(2, MAX_BODY="1m"))
    assert rendered == "size 1m; 2\n"


def test_several_lines_keep_the_indent(make_settings: MakeSettings) -> None:
    rendered = templates.render("a\n    @UPSTREAM_SERVERS@\nb\n", make_settings(2))
    assert rendered == (
        "a\n"
        "    server unix:/run/daphne/daphne0.sock max_fails=0;\n"
        "    server unix:/run/daphne/daphne1.sock max_fails=0;\n"
        "b\n"
    )


def test_no_lines_leave_no_line(make_settings: MakeSettings) -> None:
    assert templates.render("a\n    @TRUSTED_PROXIES_GEO@\nb\n", make_settings()) == "a\nb\n"


def test_only_drained_processes_are_down(make_settings: MakeSettings) -> None:
    lines = templates.render(
        "@UPSTREAM_SERVERS@", make_settings(3), {"/run/daphne/daphne1.sock"}
    ).splitlines()
    assert [" down;" in line for line in lines] == [False, True, False]


def test_drained_processes_are_read_off_the_file(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.conf"
    monkeypatch.setattr(nginx, "SITE", site)
    assert nginx.drained() == set()
    drained = {"/run/daphne/daphne1.sock", "/run/daphne/daphne11.sock"}
    site.write_text(templates.render("@UPSTREAM_SERVERS@", make_settings(12), drained))
    assert nginx.drained() == drained


@pytest.mark.parametrize("text", ["@NO_SUCH@", "listen @NO_SUCH@;"])
def test_a_placeholder_that_nothing_fills_is_an_error(
    make_settings: MakeSettings, text: str
) -> None:
    with pytest.raises(LaurelError, match="NO_SUCH"):
        templates.render(text, make_settings())


def test_an_at_sign_elsewhere_is_left_alone(make_settings: MakeSettings) -> None:
    text = "location @proxy_to_app { } # a@b @ c\n"
    assert templates.render(text, make_settings()) == text


def test_a_value_is_not_searched_for_placeholders(make_settings: MakeSettings) -> None:
    rendered = templates.render("@HEALTH_PATH@", make_settings(HEALTH_PATH="/@MAX_BODY@\\1"))
    assert rendered == "/@MAX_BODY@\\1\n"


CHOICES = [
    {},
    {"ASGI_SERVER": "uvicorn", "MEDIA_URL": "/media/"},
    {"HTTP_SERVER": "gunicorn", "ASGI_PATHS": "/poll/", "ASGI_HOSTS": "live.example.org"},
]


@pytest.mark.parametrize("values", CHOICES)
def test_every_template_of_a_machine_is_filled(
    machine_files: Path, make_settings: MakeSettings, values: dict[str, str]
) -> None:
    names = ("etc/nginx/sites-available/site.conf", "etc/supervisor/conf.d")
    files = [
        file for name in names for file in [machine_files / name, *(machine_files / name).glob("*")]
    ]
    for file in filter(Path.is_file, files):
        rendered = templates.render(file.read_text(), make_settings(**values))
        assert not templates._PLACEHOLDER.findall(rendered)
        assert "@if" not in rendered
        assert "@end@" not in rendered


# Lines that are there under a condition


CONDITIONS = """\
a
  @if MEDIA_URL@
  uploads at @MEDIA_URL@
    @UPSTREAM_SERVERS@
  @end@
b
@if not MEDIA_URL@
no uploads
@end@
c
"""


def test_lines_are_there_where_a_setting_has_a_value(make_settings: MakeSettings) -> None:
    rendered = templates.render(CONDITIONS, make_settings(1, MEDIA_URL="/media/"))
    assert rendered == (
        "a\n  uploads at /media/\n    server unix:/run/daphne/daphne0.sock max_fails=0;\nb\nc\n"
    )


def test_lines_are_there_where_a_setting_has_none(make_settings: MakeSettings) -> None:
    assert templates.render(CONDITIONS, make_settings(1)) == "a\nb\nno uploads\nc\n"


@pytest.mark.parametrize(
    ("values", "kept"),
    [({}, "fd"), ({"ASGI_SERVER": "granian"}, "none"), ({"HTTP_SERVER": "gunicorn"}, "fd http")],
)
def test_a_condition_may_ask_for_what_is_worked_out(
    make_settings: MakeSettings, values: dict[str, str], kept: str
) -> None:
    text = (
        "@if SHARED_SOCKET@\nfd\n@end@\n@if not SHARED_SOCKET@\nnone\n@end@\n"
        "@if HTTP_COMMAND@\nhttp\n@end@\n"
    )
    assert templates.render(text, make_settings(**values)).split() == kept.split()


@pytest.mark.parametrize("text", ["@if NO_SUCH@\na\n@end@\n", "@if not NO_SUCH@\na\n@end@\n"])
def test_a_condition_on_what_is_no_setting_is_an_error(
    make_settings: MakeSettings, text: str
) -> None:
    with pytest.raises(LaurelError, match="NO_SUCH"):
        templates.render(text, make_settings())


def test_what_is_left_out_need_not_be_filled(make_settings: MakeSettings) -> None:
    text = "@if MEDIA_URL@\n@NO_SUCH@\n@end@\nb\n"
    assert templates.render(text, make_settings()) == "b\n"
    with pytest.raises(LaurelError, match="NO_SUCH"):
        templates.render(text, make_settings(MEDIA_URL="/media/"))


def test_a_condition_within_a_line_is_none(make_settings: MakeSettings) -> None:
    text = "a @if MEDIA_URL\nb @end now\n"
    assert templates.render(text, make_settings()) == text


def test_a_second_render_changes_nothing(root: Path, make_settings: MakeSettings) -> None:
    target = root / "etc" / "site.conf"
    add_template(target, "n=@PROCESSES@\n")
    assert templates.render_file(target, make_settings(2))
    before = target.stat()
    assert not templates.render_file(target, make_settings(2))
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_only_files_that_changed_are_named(root: Path, make_settings: MakeSettings) -> None:
    add_template(root / "etc" / "processes.conf", "n=@PROCESSES@\n")
    add_template(root / "etc" / "body.conf", "n=@MAX_BODY@\n")
    assert templates.render_all(make_settings(2)) == [
        root / "etc" / "body.conf",
        root / "etc" / "processes.conf",
    ]
    assert templates.render_all(make_settings(2)) == []
    assert templates.render_all(make_settings(3)) == [root / "etc" / "processes.conf"]


def test_a_template_that_fails_leaves_the_file_as_it_was(
    root: Path, make_settings: MakeSettings
) -> None:
    target = root / "etc" / "site.conf"
    target.parent.mkdir(parents=True)
    target.write_text("former\n")
    add_template(target, "@NO_SUCH@\n")
    with pytest.raises(LaurelError):
        templates.render_file(target, make_settings())
    assert target.read_text() == "former\n"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_without_a_template_is_an_error(root: Path, make_settings: MakeSettings) -> None:
    with pytest.raises(LaurelError, match="has no template"):
        templates.render_file(root / "etc" / "other.conf", make_settings())
