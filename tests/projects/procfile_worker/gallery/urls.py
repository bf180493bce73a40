from django.urls import path
from pictures.views import index

urlpatterns = [path("", index)]
