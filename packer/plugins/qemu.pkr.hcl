# For `packer init packer/plugins` alone: Packer 1.6.6 has QEMU built in and
# rejects this block, so it stands in a folder of its own.
packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = "~> 1.1"
    }
  }
}
