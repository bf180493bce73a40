# Laurel: bake a Django Channels project into a machine image, and prove it.
#
# Settings go on the command line: make image OS=debian-12 PROCESSES=4
# provision/settings.sh lists them all.

export OS ?= debian-13
export APP BASE_IMAGE BASE_CHECKSUM FORMATS
export PYTHONDONTWRITEBYTECODE = 1

PYTHON = build/venv/bin/python
ARCH = $(shell dpkg --print-architecture)
# A marker expression of pytest: CHECKS="not disruptive" leaves out what kills and restarts,
# CHECKS=short is the run for a value that is not the default.
CHECKS ?=
# What the machine is set to, if not the default: SET="ASGI_SERVER=uvicorn HTTP_SERVER=gunicorn". It
# chooses the checks, and the image is told at its first boot.
SET ?=
# What is put to the proof: the image; with TARGET=vagrant Vagrant's machine; with
# HOST=user@address (and KEY=file) a host that runs, where DISRUPT=1 allows checks that kill,
# restart or write.
ifneq ($(origin HOST),command line) # a shell may have a variable of that name
HOST =
endif
TARGET ?= $(if $(HOST),host,image)
ifneq ($(origin DISRUPT),command line)
DISRUPT := $(or $(DISRUPT),$(if $(filter vagrant,$(TARGET)),1))
endif
export DISRUPT
PROVED.image = --image=$(IMAGE)
PROVED.vagrant = --vagrant
PROVED.host = --host=$(HOST) $(if $(KEY),--key=$(KEY)) $(if $(URL),--url=$(URL))
PROVED = $(or $(PROVED.$(TARGET)),$(error TARGET=$(TARGET) is not known: image, vagrant, or give HOST=user@address))
REPORTS = build/reports/$(PROJECT:%=%-)$(if $(filter image,$(TARGET)),$(OS),$(TARGET))
# Another project than ours: its image bears its name. Of ours, and of those under tests/projects/,
# more is known than of any other.
PROJECT = $(filter-out app,$(notdir $(abspath $(APP))))
OWN = $(if $(PROJECT),$(wildcard tests/acceptance/projects/test_$(PROJECT).py),tests/acceptance/chat_site)
# What is proved of the image alone: its disk, before it boots.
OFFLINE = $(if $(filter image,$(TARGET)),tests/acceptance/hygiene)
IMAGE ?= build/image/laurel-$(PROJECT:%=%-)$(OS)-$(ARCH).qcow2

# The bare base disk beside which the image is timed, and how many times both are.
BASE = $(firstword $(BASE_IMAGE) $(wildcard build/base/$(OS)/*/base.qcow2) build/base/$(OS)/base.qcow2)
ROUNDS ?= 1

# What `bench-servers` measures: each load for so many seconds; rows such as uvicorn,core, or all.
# NATIVE=1 runs the image's system on this host's own kernel, as root.
SECONDS = 20
ROWS =
NATIVE =

.DEFAULT_GOAL = help
.PHONY: help prerequisites inspect image export box vagrant sync vagrant-destroy differences acceptance acceptance-first-boot acceptance-clouds acceptance-formats acceptance-faults acceptance-vagrant acceptance-projects acceptance-servers acceptance-full bench bench-servers run test lint format lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 29

prerequisites:
	@packer/prerequisites.sh

inspect: prerequisites ## what APP is made of, and what can't work, before anything is built
	@$(PYTHON) packer/inspection.py

image: prerequisites ## bake the image of OS (debian-13, debian-12, ubuntu-24.04) with APP, or say that it is current
	@$(PYTHON) packer/bake.py

export: prerequisites ## the image in the form that each cloud demands, or FORMATS="raw vmdk vhd gce ova box" of them
	@PYTHONPATH=packer $(PYTHON) -m export "$(IMAGE)"

box: prerequisites ## make the Vagrant boxes of OS from its base disk
	@$(PYTHON) packer/box.py

vagrant: box ## a machine to develop on, provisioned as the image is: http://127.0.0.1:8080
	@vagrant/up.sh

sync: ## serve the project on Vagrant's machine as it is now, one process at a time
	@vagrant/sync.sh

vagrant-destroy: ## end Vagrant's machine, and remove what it left in libvirt
	@vagrant/down.sh

differences: prerequisites ## what tells Vagrant's machine from the image, and why it may
	@PYTHONPATH=tests:provision/files/usr/lib/laurel $(PYTHON) tests/acceptance/differences.py $(IMAGE)

acceptance: prerequisites ## boot the image, check it, reboot it, cut its power, checking each time
	@$(PYTHON) -m pytest $(OFFLINE) tests/acceptance/any_site $(OWN) -v --tb=short -m "$(CHECKS)" $(SET:%='--setting=%') $(PROVED) --junit-xml=$(REPORTS)/acceptance.xml --html=$(REPORTS)/acceptance.html --self-contained-html

acceptance-first-boot: ## boot the image as clouds do: twice at once, cut off, with and without a network and services
	@packer/prerequisites.sh $(if $(PROJECT),,postgresql redis-server)
	@$(PYTHON) -m pytest tests/acceptance/first_boot --ignore=tests/acceptance/first_boot/clouds $(if $(PROJECT),--ignore=tests/acceptance/first_boot/chat) -v --tb=short --image=$(IMAGE) --junit-xml=$(REPORTS)/first-boot.xml --html=$(REPORTS)/first-boot.html --self-contained-html

acceptance-clouds: prerequisites ## boot the image as an instance of each cloud: EC2, GCE, Azure, OpenStack, DigitalOcean, Hetzner
	@$(PYTHON) -m pytest tests/acceptance/first_boot/clouds -v --tb=short --image=$(IMAGE) --junit-xml=$(REPORTS)/clouds.xml --html=$(REPORTS)/clouds.html --self-contained-html

acceptance-formats: export ## boot each exported form of the image, under the firmware and on the disk of its cloud
	@packer/prerequisites.sh $(if $(FORMATS),$(if $(filter box,$(FORMATS)),vagrant),vagrant)
	@$(PYTHON) -m pytest tests/acceptance/formats -v --tb=short --image=$(IMAGE) --junit-xml=$(REPORTS)/formats.xml --html=$(REPORTS)/formats.html --self-contained-html

acceptance-faults: prerequisites ## plant each known fault in a running image: the check meant for it must fail
	@PYTHONPATH=tests:provision/files/usr/lib/laurel $(PYTHON) tests/acceptance/faults.py $(IMAGE)

acceptance-vagrant: image ## Vagrant's machine from nothing to nothing: up, checked, reloaded, checked, destroyed
	@tests/vagrant/prove.sh

acceptance-projects: prerequisites ## bake and prove each of tests/projects/: projects that know nothing of Laurel
	@tests/projects/prove.sh

acceptance-servers: prerequisites ## the short run for each other server, manager and channel layer, on one image of each manager
	@tests/acceptance/servers/prove.sh

acceptance-full: ## all of the above on Debian 13 and 12: hours without KVM
	@$(MAKE) image acceptance acceptance-first-boot acceptance-clouds acceptance-formats acceptance-faults acceptance-vagrant OS=debian-13
	@$(MAKE) image acceptance OS=debian-12
	@$(MAKE) acceptance-projects acceptance-servers

bench: prerequisites ## time the image to its first page, phase by phase, beside the bare base disk
	@PYTHONPATH=tests:provision/files/usr/lib/laurel $(PYTHON) tests/bench/boot.py $(IMAGE) --base=$(BASE) --rounds=$(ROUNDS) --json=$(REPORTS)/boot.json

bench-servers: ## load an image that has every server, or HOST, with one after the other; NATIVE=1: without an emulator
	@packer/prerequisites.sh wrk $(if $(NATIVE),systemd-container iproute2)
	@PYTHONPATH=tests:provision/files/usr/lib/laurel $(if $(NATIVE),tests/bench/native.sh $(IMAGE)) $(PYTHON) tests/bench/servers.py $(if $(NATIVE),,$(PROVED)) --seconds=$(SECONDS) --rows=$(ROWS) --json=$(REPORTS)/servers.json

run: prerequisites ## boot the image, print its address, stop it with Ctrl-C
	@PYTHONPATH=tests $(PYTHON) -m machine $(IMAGE)

test: prerequisites lint ## lint, and every test that needs no machine: minutes
	@$(PYTHON) -m pytest -q tests/unit
	@cd app && ../$(PYTHON) -m pytest -q

lint: prerequisites ## formats, types, shell, templates
	@tests/lint.sh

format: prerequisites ## put every file into its standard format
	@build/venv/bin/ruff format -q .
	@shfmt -w packer provision tests vagrant
	@packer fmt packer >/dev/null

lock: prerequisites ## write the locks with hashes anew
	@packer/lock.sh

clean: ## remove all that was built, caches too
	@rm -rf build
