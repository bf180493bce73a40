from django.db import models


class Notice(models.Model):
    title = models.CharField(max_length=80)
    file = models.FileField(upload_to="notices/%Y/")
    uploaded = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-uploaded",)

    def __str__(self):
        return self.title
