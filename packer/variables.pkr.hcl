# One file of packer/os/ sets the first seven; `make image` sets the rest.

variable "os" {
  type        = string
  description = "Name of the system, as in the image's file name."
}

variable "suite" {
  type        = string
  description = "The archive's name of the release; the base disk is built from it."
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
  description = "The user that the system's cloud-init makes for an instance."
}

variable "python_version" {
  type        = string
  description = "The system's Python, for `make inspect`."
}

variable "base_image" {
  type        = string
  description = "Disk to start from: the base disk, or a vendor's cloud image (path or URL)."
}

variable "base_checksum" {
  type        = string
  default     = "none"
  description = "Checksum of base_image, as sha256:...; `none` for the disk that was just built."
}

variable "accelerator" {
  type        = string
  description = "What runs the guest: kvm or tcg."

  validation {
    condition     = contains(["kvm", "tcg"], var.accelerator)
    error_message = "The accelerator is kvm or tcg; packer/accelerator.sh tells which works here."
  }
}

variable "cpus" {
  type        = number
  default     = 2
  description = "CPUs of the machine that bakes; the image follows those of the machine that boots."
}

variable "memory" {
  type        = number
  default     = 2048
  description = "Memory of the machine that bakes, in MiB."
}

variable "payload" {
  type        = string
  description = "Tar file with provision/, app/ and the settings, as `make image` writes it."
}

variable "seed_directory" {
  type        = string
  description = "Folder with the user-data and meta-data that make the build user."
}

variable "build_key" {
  type        = string
  description = "Private key of the build user, made for this bake alone."
}

variable "output_directory" {
  type        = string
  description = "Folder that Packer makes for the disk; it must not exist."
}
