"""`make acceptance SUITE=faults`: faults on a machine under load, and what they cost."""
