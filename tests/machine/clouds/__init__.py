"""The clouds that a machine can be in, each as its own documentation tells it."""

from machine.clouds.azure import Azure
from machine.clouds.digitalocean import DigitalOcean, DigitalOceanWithoutDrive
from machine.clouds.ec2 import Ec2
from machine.clouds.hetzner import Hetzner

__all__ = ["Azure", "DigitalOcean", "DigitalOceanWithoutDrive", "Ec2", "Hetzner"]
