"""The table of messages."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "room",
                    models.CharField(
                        choices=[("public", "Public"), ("staff", "Staff")], max_length=16
                    ),
                ),
                ("name", models.CharField(max_length=150)),
                (
                    "guest",
                    models.BooleanField(
                        default=True,
                        help_text="The name is what a guest typed, not that of a logged-in user.",
                    ),
                ),
                ("text", models.TextField(max_length=2000, verbose_name="message")),
                ("sent", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "remote_addr",
                    models.GenericIPAddressField(
                        blank=True,
                        help_text="As the proxy in front reported it.",
                        null=True,
                        verbose_name="client address",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [models.Index(fields=["room", "id"], name="chat_room_history")],
            },
        ),
    ]
