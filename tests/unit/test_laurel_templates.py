"""Templates: what they see, and files that change only if they must."""

from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import templates
from laurel.errors import LaurelError
from laurel.settings import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for a machine's root; its templates are beside it."""
    monkeypatch.setattr(templates, "TEMPLATES", tmp_path / "templates")
    return tmp_path / "root"


def add_template(target: Path, text: str) -> None:
    path = templates.TEMPLATES / target.relative_to("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("text", "values", "rendered"),
    [
        ("size {{ MAX_BODY }}; {{ processes }}\n", {"MAX_BODY": "1m"}, "size 1m; 2\n"),
        ("{{ HEALTH_PATH }}\n", {"HEALTH_PATH": "/{{ MAX_BODY }}"}, "/{{ MAX_BODY }}\n"),
        ("a\n  {% if MEDIA_URL %}\n  b\n  {% endif %}\nc\n", {"MEDIA_URL": "/m/"}, "a\n  b\nc\n"),
        (
            "{{ procfile_folder | double_percent }}",
            {"PROCFILE": "x%/Procfile"},
            "/srv/site/current/app/x%%",
        ),
        ("{{ shared_socket }}", {"BIND_ADDRESS": "10.0.0.7", "BIND_PORT": "81"}, "10.0.0.7:81"),
        ("{{ shared_socket }}", {"ASGI_SERVER": "granian"}, ""),
    ],
)
def test_template_sees_settings_and_computed_values(
    make_settings: MakeSettings, text: str, values: dict[str, str], rendered: str
) -> None:
    assert templates.render(text, make_settings(2, **values)) == rendered


@pytest.mark.parametrize("text", ["{{ NO_SUCH }}\n", "{% if NO_SUCH %}\n{% endif %}\n", "{% if"])
def test_failing_template_is_named_and_keeps_the_file(
    root: Path, make_settings: MakeSettings, text: str
) -> None:
    target = root / "etc" / "site.conf"
    target.parent.mkdir(parents=True)
    target.write_text("old\n")
    add_template(target, text)
    with pytest.raises(LaurelError, match=r"templates/.*/etc/site\.conf: .*provision this machine"):
        templates.render_file(target, make_settings())
    assert target.read_text() == "old\n"
    assert list(target.parent.iterdir()) == [target]


def test_only_changed_files_are_written_and_returned(
    root: Path, make_settings: MakeSettings
) -> None:
    processes, body = root / "etc" / "processes.conf", root / "etc" / "body.conf"
    add_template(processes, "n={{ processes }}\n")
    add_template(body, "n={{ MAX_BODY }}\n")
    assert templates.render_all(make_settings(2)) == [body, processes]
    before = body.stat()
    assert templates.render_all(make_settings(3)) == [processes]
    assert (body.stat().st_ino, body.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert templates.render_all(make_settings(3)) == []
