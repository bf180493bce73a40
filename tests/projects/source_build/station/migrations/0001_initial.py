from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Reading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("celsius", models.DecimalField(decimal_places=1, max_digits=4)),
                ("taken", models.DateTimeField(auto_now_add=True, db_index=True)),
            ],
            options={"get_latest_by": "taken"},
        ),
    ]
