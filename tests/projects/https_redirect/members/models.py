from django.conf import settings
from django.db import models


class Remark(models.Model):
    member = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=500)
    made = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"{self.member}: {self.text}"
