# shellcheck shell=bash
# Where the root file system lies on the disk. Sourced.
readonly disk_mib=3072 # the root grows on first boot; this must fit the smallest cloud disk, 4 GB
readonly root_start=66 # MiB; last on the disk, so that it can grow

# write_root ROOT UUID DISK: makes the file system of a folder, on the last partition of a raw disk.
write_root() {
	# 1 MiB stays free at the end for GPT's second header.
	mke2fs -q -t ext4 -L root -U "$2" -m 1 -d "$1" -E offset=$((root_start << 20)) \
		"$3" $(((disk_mib - root_start - 1) * 1024))k
}
