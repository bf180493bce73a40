# For `packer init packer`. Packer 1.6 has QEMU built in and rejects this block;
# packer/template.sh gives it a folder without this file.

packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = "~> 1.1"
    }
  }
}
