"""The clouds that a machine can be in, each as its own documentation tells it."""

from machine.clouds.ec2 import Ec2
from machine.clouds.gce import Gce
from machine.clouds.openstack import ConfigDrive, OpenStack

__all__ = ["ConfigDrive", "Ec2", "Gce", "OpenStack"]
