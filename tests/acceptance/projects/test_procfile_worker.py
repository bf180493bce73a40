"""A project with a worker and a release command in its Procfile."""

import json
import uuid

from acceptance.processes import processes, wait_until_healthy


def test_worker_output_reaches_every_process(hear):
    caption = uuid.uuid4().hex
    # Only the worker writes it in capitals.
    assert hear("/ws/gallery/", json.dumps({"caption": caption}), caption[:12].upper())


def test_release_command_loaded_its_data(machine):
    told = machine.succeed("cd / && laurel manage dumpdata pictures")
    assert "pictures.picture" in told


def test_a_killed_worker_is_back(machine):
    (worker,) = (one for one in processes(machine, "procfile") if one.name == "worker")
    machine.succeed(f"kill -9 {worker.pid}")
    wait_until_healthy(machine, gone=[worker.pid])
