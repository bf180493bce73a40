# Laurel bakes a Django Channels project into a machine image, and proves it.
#
# Settings go on the command line: make image OS=debian-12 PROCESSES=4
# provision/settings.toml lists the settings of the site.

# Only the command line sets these, because a shell may have variables of the same names.
OPTIONS = OS APP IMAGE BASE_IMAGE BASE_CHECKSUM INCLUDE FORMATS PROBE JSON \
	SUITE TARGET HOST KEY URL DISRUPT CHECKS SET OWN ONLY REPORTS \
	LOAD NATIVE SECONDS ROWS ROUNDS
define from_command_line
ifneq ($$(origin $(1)),command line)
unexport $(1)
$(1) :=
endif
endef
$(foreach name,$(OPTIONS),$(eval $(call from_command_line,$(name))))

export PYTHONDONTWRITEBYTECODE = 1
export PYTHONPATH = packer:tests:provision:provision/files/usr/lib/laurel
PYTHON = build/venv/bin/python
image = "$$($(PYTHON) packer/names.py)"

.DEFAULT_GOAL = help
.PHONY: help prerequisites inspect image acceptance run prepare vagrant export bench \
	test test-fast lint clean format lock box sync vagrant-destroy differences

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

prerequisites:
	@packer/prerequisites.sh

inspect: prerequisites ## run APP in the image's system, and show what would fail; PROBE=no: read its files
	@$(PYTHON) packer/report.py

image: prerequisites ## bake APP into an image of OS (debian-13, debian-12, ubuntu-24.04)
	@$(PYTHON) packer/bake.py

acceptance: prerequisites ## boot and check the image; SUITE=first-boot clouds formats faults servers projects vagrant full
	@$(PYTHON) tests/prove.py "$(or $(SUITE),stages)"

run: prerequisites ## boot the image and print its address; Ctrl-C stops it
	@$(PYTHON) -m machine $(image)

prepare: prerequisites ## write what `packer build` needs, to run it yourself
	@$(PYTHON) packer/prepare.py

vagrant: box ## start a machine to develop on, at http://127.0.0.1:8080
	@vagrant/up.sh

export: prerequisites ## convert the image for each cloud, or for FORMATS="raw vmdk vhd gce ova box"
	@$(PYTHON) -m export $(image)

bench: prerequisites ## measure the image's boot; LOAD=1: the site under load, with each server
	@$(PYTHON) tests/prove.py $(if $(LOAD),load,boot)

test: lint ## lint, and all tests that need no machine: minutes
	@$(PYTHON) -m pytest -q -n auto tests/unit tests/integration
	@cd app && ../$(PYTHON) -m pytest -q

test-fast: ## the unit tests: seconds
	@test -x $(PYTHON) || { echo 'test-fast: build/venv is missing: run `make test` once' >&2; exit 1; }
	@$(PYTHON) -m pytest -q -n auto tests/unit

lint: prerequisites ## check formats, types, shell and templates
	@tests/lint.sh

clean: ## remove everything that was built, and the caches
	@rm -rf packer_cache packer/laurel.auto.pkrvars.hcl
	@rm -rf build 2>/dev/null || sudo rm -rf build # the layers are root's

format: prerequisites
	@build/venv/bin/ruff format -q .
	@shfmt -w packer provision tests vagrant .ci/run
	@packer fmt packer >/dev/null
	@$(PYTHON) tests/settings_tables.py

lock: prerequisites
	@packer/lock.sh

box: prerequisites
	@$(PYTHON) packer/box.py

sync:
	@vagrant/sync.sh

vagrant-destroy:
	@vagrant/down.sh

differences: prerequisites
	@$(PYTHON) tests/acceptance/differences.py $(image)
