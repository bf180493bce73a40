"""The emulated clouds, each after its own documentation."""

from machine.clouds.azure import Azure
from machine.clouds.digitalocean import DigitalOcean, DigitalOceanWithoutDrive
from machine.clouds.ec2 import Ec2
from machine.clouds.gce import Gce
from machine.clouds.hetzner import Hetzner
from machine.clouds.openstack import ConfigDrive, OpenStack

__all__ = [
    "Azure",
    "ConfigDrive",
    "DigitalOcean",
    "DigitalOceanWithoutDrive",
    "Ec2",
    "Gce",
    "Hetzner",
    "OpenStack",
]
