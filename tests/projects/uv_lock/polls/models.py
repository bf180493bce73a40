from django.db import models


class Choice(models.Model):
    text = models.CharField(max_length=40, unique=True)
    votes = models.PositiveIntegerField(default=0)

    def __str__(self):
        return f"{self.text} ({self.votes})"
