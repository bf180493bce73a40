"""A project two folders down, with uploads, and static files under a path of its own."""

import json
import uuid


def test_message_reaches_every_process(hear):
    assert hear("/ws/board/", json.dumps({"text": "bring chairs"}), "bring chairs")


def test_an_upload_is_served_by_nginx_without_its_scripts(machine, browser):
    token = browser.token("/upload/")
    content = f"<script>{uuid.uuid4()}</script>"
    answer = browser.post(
        "/upload/",
        data={"csrfmiddlewaretoken": token, "title": "proof"},
        files={"file": ("notice.html", content)},
        headers={"Origin": browser.url, "Referer": browser.url + "/upload/"},
    )
    assert answer.status_code == 302, answer.text
    found = machine.succeed("cd /var/lib/site/media && find . -name 'notice*.html'").splitlines()
    served = browser.get(f"/media/{found[0].removeprefix('./')}")
    assert served.status_code == 200
    assert "sandbox" in served.headers["Content-Security-Policy"]
    assert "script" in served.text


def test_uploads_are_not_listed(browser):
    assert browser.get("/media/").status_code in (403, 404)


def test_nginx_reads_uploads_and_not_the_database(machine):
    machine.succeed("runuser -u www-data -- ls /var/lib/site/media")
    machine.fail("runuser -u www-data -- ls /var/lib/site")
    machine.fail("runuser -u www-data -- cat /var/lib/site/db.sqlite3")
