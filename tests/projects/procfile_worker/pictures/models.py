from django.db import models


class Picture(models.Model):
    caption = models.TextField()
    thumbnail = models.CharField(max_length=12)

    def __str__(self):
        return self.thumbnail
