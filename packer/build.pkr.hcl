# What Packer does on the machine.

build {
  sources = ["source.qemu.laurel"]

  # Exit code 2 is a warning that cloud-init recovered from.
  provisioner "shell" {
    inline = ["sudo cloud-init status --wait >/dev/null || [ $? -eq 2 ]"]
  }

  provisioner "file" {
    source      = var.payload
    destination = "/tmp/laurel.tar.gz"
    generated   = true # `packer validate` passes before `make prepare` has written it
  }

  provisioner "shell" {
    inline = [
      "mkdir /tmp/laurel",
      "tar -xzf /tmp/laurel.tar.gz -C /tmp/laurel",
      "sudo /tmp/laurel/provision/provision.sh",
    ]
  }

  provisioner "file" {
    direction   = "download"
    source      = "/etc/laurel/release.json"
    destination = "${var.output_directory}.release.json"
  }

  provisioner "shell" {
    inline = ["sudo /tmp/laurel/provision/seal.sh"]
  }
}
