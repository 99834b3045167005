"""Two machines, as network namespaces with addresses of their own, by torchrun."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ADDRESSES = {"digits-a": "10.77.0.1", "digits-b": "10.77.0.2"}


def _ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True)


@pytest.fixture
def machines():
    """Two namespaces joined by a cable."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need iproute2 and root")
    for name in ADDRESSES:
        _ip("netns", "delete", name)
        if _ip("netns", "add", name).returncode:
            pytest.skip("this machine does not allow network namespaces")
    _ip("link", "add", "veth-a", "netns", "digits-a", "type", "veth", "peer", "name", "veth-b", "netns", "digits-b")
    for name, address in ADDRESSES.items():
        _ip("-n", name, "address", "add", f"{address}/24", "dev", f"veth-{name[-1]}")
        _ip("-n", name, "link", "set", f"veth-{name[-1]}", "up")
        _ip("-n", name, "link", "set", "lo", "up")
    yield list(ADDRESSES)
    for name in ADDRESSES:
        _ip("netns", "delete", name)


def _start(machine, rank, *arguments):
    command = ["ip", "netns", "exec", machine, sys.executable, "-m", "torch.distributed.run"]
    command += ["--nnodes", "2", "--nproc_per_node", "1", "--node_rank", str(rank)]
    command += ["--master_addr", ADDRESSES["digits-a"], "--master_port", "29511", "-m", "digits", "fit", *arguments]
    command += ["--report", "false"]
    command += ["--trainer.accelerator", "cpu", "--trainer.strategy", "ddp"]
    command += ["--trainer.devices", "1", "--trainer.num_nodes", "2"]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": f"veth-{machine[-1]}", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _both(machines, *arguments):
    processes = [_start(machine, rank, *arguments) for rank, machine in enumerate(machines)]
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output


def _kill_tree(process):
    """SIGKILL to torchrun and what it started, as when the machine loses power."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for child in [*children, process.pid]:
        os.kill(int(child), signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_a_machine_that_dies_costs_nothing(machines):
    options = ["--model", "MLP", "--model.dropout", "0.2", "--data.source", "uci", "--trainer.max_epochs", "20"]
    options += ["--data.augmentation", "digits.data.RandomAffine", "--checkpoint_every_n_steps", "3"]
    options += ["--trainer.enable_model_summary", "false", "--data.batch_size", "64"]
    _both(machines, *options, "--runs_dir", "undisturbed")

    processes = [_start(machine, rank, *options, "--runs_dir", "killed") for rank, machine in enumerate(machines)]
    deadline = time.monotonic() + 120
    while not list(Path("killed").glob("*/*/checkpoints/last.ckpt")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)
    _kill_tree(processes[1])
    output, _ = processes[0].communicate(timeout=300)
    assert processes[0].returncode != 0, output
    (last,) = Path("killed").glob("*/*/checkpoints/last.ckpt")
    assert torch.load(last, weights_only=True)["epoch"] < 20

    _both(machines, "--runs_dir", "killed", "--ckpt_path", "last")
    (expected,) = Path("undisturbed").glob("*/*/checkpoints/last.ckpt")
    (found,) = Path("killed").glob("*/*/checkpoints/last.ckpt")
    first, second = (torch.load(path, weights_only=True) for path in (expected, found))
    assert first["global_step"] == second["global_step"]
    for name, weight in first["state_dict"].items():
        assert torch.equal(weight, second["state_dict"][name]), name
