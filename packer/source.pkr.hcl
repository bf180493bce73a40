# The build machine: the base disk in QEMU, configured by cloud-init.

source "qemu" "laurel" {
  iso_url          = var.base_image
  iso_checksum     = var.base_checksum
  disk_image       = true
  output_directory = var.output_directory
  vm_name          = "disk.qcow2"
  format           = "qcow2"

  accelerator  = var.accelerator
  machine_type = "pc"
  headless     = true
  disable_vnc  = true
  boot_wait    = "1s" # Packer types nothing at boot

  # The disk keeps its size: the root grows when an instance boots.
  skip_resize_disk   = true
  disk_interface     = "virtio"
  net_device         = "virtio-net"
  disk_discard       = "unmap"
  disk_detect_zeroes = "unmap"
  disk_cache         = "unsafe"

  # cloud-init reads the seed over HTTP: a CD needs drivers that a cloud's kernel may lack.
  http_directory    = var.seed_directory
  http_bind_address = "127.0.0.1"
  qemuargs = [
    ["-cpu", "max"],
    ["-smp", "cpus=${var.cpus}"],
    ["-m", "${var.memory}M"],
    ["-smbios", "type=1,serial=ds=nocloud-net;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/"],
    # By default Packer forwards SSH from every address of the host.
    ["-netdev", "user,id=user.0,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22"],
    ["-device", "virtio-net,netdev=user.0"],
    ["-device", "virtio-rng-pci"],
    ["-serial", "file:${var.output_directory}.console"],
  ]

  communicator         = "ssh"
  ssh_username         = "laurel-build"
  ssh_private_key_file = var.build_key
  ssh_timeout          = "10m" # emulation: two minutes on two cores
  host_port_min        = 20000
  host_port_max        = 29999

  # A copy of power-off.sh, made by seal.sh. It removes the build user, so no other command can follow.
  shutdown_command = "sudo bash /run/laurel-power-off"
  shutdown_timeout = "5m"
}
