"""Tests of the site; they need neither Redis nor a network."""
