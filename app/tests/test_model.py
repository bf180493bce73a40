"""Storing messages, and the history of each room."""

import pytest
from django.db import connection, transaction

from chat.models import HISTORY, Message, Room

pytestmark = pytest.mark.django_db(transaction=True)


def store(text, room=Room.PUBLIC):
    """Store a message."""
    return Message.objects.store(room=room, name="Ada", text=text)


def test_room_keeps_its_last_messages_only():
    for number in range(HISTORY + 7):
        store(str(number))
    kept = [message.text for message in Message.objects.recent(Room.PUBLIC)]
    assert kept == [str(number) for number in range(7, HISTORY + 7)]
    assert Message.objects.count() == HISTORY == 50


def test_busy_room_leaves_other_rooms_alone():
    store("quiet", room=Room.STAFF)
    for number in range(HISTORY + 1):
        store(str(number))
    assert [message.text for message in Message.objects.recent(Room.STAFF)] == ["quiet"]


def test_store_returns_the_previous_id_of_the_room():
    first, before_first = store("first")
    store("elsewhere", room=Room.STAFF)
    _, before_second = store("second")
    assert before_first is None
    assert before_second == first.id


def test_store_refuses_an_outer_transaction():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        store("not yet on the disk")


def test_store_takes_five_queries_in_a_full_room(django_assert_max_num_queries):
    for number in range(HISTORY):
        store(str(number))
    # BEGIN, the newest ids, INSERT, DELETE, COMMIT.
    with django_assert_max_num_queries(5):
        store("one more")


def test_sqlite_commits_survive_a_power_cut():
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (3,)  # EXTRA
