import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from digits.training import keep_freed_memory
keep_freed_memory()
def step():
    return [torch.ones(2**19) for _ in range(8)]
for _ in range(10):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc gives memory back")
def test_what_is_freed_is_not_faulted_in_again():
    command = [sys.executable, "-c", PROGRAM]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(result.stdout) < 200
