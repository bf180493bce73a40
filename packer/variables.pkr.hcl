# A file of packer/os/ sets the first seven. `make prepare` writes the others into
# laurel.auto.pkrvars.hcl; without that file, `packer build` fails on the first
# default, which names the command to run.

variable "os" {
  type        = string
  description = "Name of the system, as in the image's file name."
}

variable "suite" {
  type        = string
  description = "Name of the release in its archive; the base disk is built from it."
}

variable "keyring" {
  type        = string
  description = "Package of the build host that holds the archive's keys."
}

variable "kernel_package" {
  type        = string
  description = "Kernel of the base disk."
}

variable "boot_packages" {
  type        = string
  description = "Boot loader and network packages of the base disk."
}

variable "default_user" {
  type        = string
  description = "User that the system's cloud-init creates on an instance."
}

variable "python_version" {
  type        = string
  description = "The system's Python, for `make inspect`."
}

variable "base_image" {
  type        = string
  default     = "run-make-prepare-first/base.qcow2"
  description = "Disk to start from: the base disk, or a vendor's cloud image (path or URL)."
}

variable "base_checksum" {
  type        = string
  default     = "none"
  description = "Checksum of base_image, as sha256:...; `none` for a disk that was built here."
}

variable "accelerator" {
  type        = string
  default     = "kvm"
  description = "What runs the guest: kvm or tcg."

  validation {
    condition     = contains(["kvm", "tcg"], var.accelerator)
    error_message = "The accelerator is kvm or tcg; packer/accelerator.sh prints which works here."
  }
}

variable "cpus" {
  type        = number
  default     = 2
  description = "CPUs of the build machine; the image adapts to those of the machine that boots it."
}

variable "memory" {
  type        = number
  default     = 2048
  description = "Memory of the build machine, in MiB."
}

variable "payload" {
  type        = string
  default     = "run-make-prepare-first/payload.tar.gz"
  description = "Tar file with provision/, the project and the settings."
}

variable "seed_directory" {
  type        = string
  default     = "run-make-prepare-first"
  description = "Folder with the user-data and meta-data that create the build user."
}

variable "build_key" {
  type        = string
  default     = ""
  description = "Private key of the build user."
}

variable "output_directory" {
  type        = string
  default     = "build/packer-output"
  description = "Folder that Packer creates for the disk; with `packer build -force` it may exist."
}
