from django.db import models


class Line(models.Model):
    room = models.SlugField()
    text = models.CharField(max_length=1000)

    def __str__(self):
        return f"{self.room}: {self.text}"
