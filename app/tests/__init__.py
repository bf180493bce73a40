"""Tests of the site, without Redis and without a network."""
