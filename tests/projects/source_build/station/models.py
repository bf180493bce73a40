from django.db import models


class Reading(models.Model):
    celsius = models.DecimalField(max_digits=4, decimal_places=1)
    taken = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        get_latest_by = "taken"

    def __str__(self):
        return f"{self.celsius} °C"
