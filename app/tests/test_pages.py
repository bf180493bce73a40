"""The pages and the form, in a browser without JavaScript."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client

from chat.models import MAX_MESSAGE, Message, Room

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "chat.example"


@pytest.fixture
def browser():
    """Return a client that has its CSRF tokens checked."""
    return Client(enforce_csrf_checks=True, headers={"host": HOST}, REMOTE_ADDR="192.0.2.7")


def token(browser, page="/"):
    """Return the CSRF token of a page's form."""
    return browser.get(page).context["csrf_token"]


def test_posted_message_is_stored_and_shown(browser):
    said = {
        "message": "Hello <b>there</b>\r\nall",
        "name": "Ada",
        "csrfmiddlewaretoken": token(browser),
    }
    response = browser.post("/say/", said)
    assert (response.status_code, response.url) == (302, "/")
    message = Message.objects.get()
    assert (message.text, message.name, message.guest) == ("Hello <b>there</b>\nall", "Ada", True)
    assert (message.room, message.remote_addr) == (Room.PUBLIC, "192.0.2.7")
    assert "Hello &lt;b&gt;there&lt;/b&gt;" in browser.get("/").text


def test_post_without_csrf_token_is_refused(browser):
    assert browser.post("/say/", {"message": "Hello"}).status_code == 403
    assert not Message.objects.exists()


def test_post_from_another_origin_is_refused(browser):
    said = {"message": "Hello", "csrfmiddlewaretoken": token(browser)}
    response = browser.post("/say/", said, headers={"origin": "http://evil.example"})
    assert response.status_code == 403
    assert not Message.objects.exists()


async def post_without_an_address(ask):
    """Post "Hello" as over a unix socket, where a client has no address."""
    cookie = "t" * 32
    return await ask(
        "/say/",
        "POST",
        body=f"message=Hello&csrfmiddlewaretoken={cookie}".encode(),
        headers=[
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"cookie", f"csrftoken={cookie}".encode()),
        ],
    )


async def test_posted_message_reaches_websockets(connect, ask):
    async with connect() as socket:
        assert (await post_without_an_address(ask))["status"] == 302
        assert (await socket.receive_json_from())["message"] == "Hello"


def test_posted_message_is_stored_without_a_layer(browser, break_layer):
    break_layer("group_send")
    said = {"message": "Hello", "csrfmiddlewaretoken": token(browser)}
    assert browser.post("/say/", said).status_code == 302
    assert Message.objects.get().text == "Hello"


@pytest.mark.parametrize(
    ("text", "problem"),
    [(" ", "Write something first."), ("x" * (MAX_MESSAGE + 1), "at most 2000 characters")],
)
def test_invalid_message_returns_with_the_reason(browser, text, problem):
    said = {"message": text, "name": "Ada", "csrfmiddlewaretoken": token(browser)}
    response = browser.post("/say/", said)
    assert response.status_code == 400
    assert problem in response.text
    assert 'value="Ada"' in response.text
    assert text.strip() in response.text
    assert not Message.objects.exists()


def test_page_lists_messages_oldest_first(browser):
    for text in ("first", "second"):
        Message.objects.store(room=Room.PUBLIC, name="Ada", text=text)
    page = browser.get("/").text
    assert 0 < page.index("first") < page.index("second")


def test_page_obeys_its_content_security_policy(browser):
    response = browser.get("/")
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    page = response.text
    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count("<script src=") == 1
    assert "//" not in page.replace("<!doctype", "")


@pytest.mark.parametrize("path", ["/say/", "/staff/say/"])
def test_messages_must_be_posted(browser, path):
    assert browser.get(path).status_code == 405


@pytest.mark.parametrize("flags", [None, {}, {"is_staff": True}])
def test_staff_room_is_for_staff_only(flags):
    browser = Client(headers={"host": HOST})
    Message.objects.store(room=Room.STAFF, name="boss", text="secret")
    if flags is not None:
        browser.force_login(User.objects.create_user("joe", **flags))
    page = browser.get("/staff/")
    posted = browser.post("/staff/say/", {"message": "Hello"})
    if flags:
        assert "secret" in page.text
        assert posted.url == "/staff/"
        assert Message.objects.first().room == Room.STAFF
    else:
        assert page.url == "/admin/login/?next=/staff/"
        assert posted.url.startswith("/admin/login/")
        assert Message.objects.count() == 1


def test_staff_room_shows_the_clients_address_and_scheme():
    browser = Client(headers={"host": HOST, "x-forwarded-proto": "https"}, REMOTE_ADDR="192.0.2.7")
    browser.force_login(User.objects.create_user("boss", is_staff=True))
    page = browser.get("/staff/").text
    assert '<span id="remote-addr">192.0.2.7</span>' in page
    assert '<span id="scheme">https</span>' in page
    assert "192.0.2.7" not in browser.get("/").text


def test_admin_shows_messages_and_changes_none():
    browser = Client(headers={"host": HOST})
    browser.force_login(User.objects.create_superuser("boss"))
    message, _ = Message.objects.store(
        room=Room.PUBLIC, name="Ada", text="Hello", remote_addr="192.0.2.7"
    )
    assert "192.0.2.7" in browser.get("/admin/chat/message/").text
    assert browser.get("/admin/chat/message/add/").status_code == 403
    change = f"/admin/chat/message/{message.id}/change/"
    assert browser.post(change, {"text": "Forged"}).status_code == 403
    assert browser.get(change).status_code == 200


def test_unknown_host_is_refused():
    assert Client(headers={"host": "evil.example"}).get("/").status_code == 400


def test_client_without_an_address_can_post(ask):
    assert async_to_sync(post_without_an_address)(ask)["status"] == 302
    assert Message.objects.get().remote_addr is None
