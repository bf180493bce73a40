from django.db import models


class Ticket(models.Model):
    subject = models.CharField(max_length=120)
    opened = models.DateTimeField(auto_now_add=True)
    closed = models.DateTimeField(null=True, blank=True)

    def __str__(self):
        return self.subject
