import errno
import signal
import subprocess
import sys

import pytest

from digits.replacing import replacing


@pytest.fixture
def table(tmp_path):
    (tmp_path / "table.csv").write_text("before\n")
    return tmp_path / "table.csv"


def test_the_new_file_is_there_at_once(table):
    with replacing(table) as file:
        file.write("after\r\n")
        file.flush()
        assert table.read_text() == "before\n"
    assert table.read_bytes() == b"after\r\n"
    assert [kept.name for kept in table.parent.iterdir()] == ["table.csv"]


def test_a_mistake_in_the_middle_leaves_the_former_file_alone(table):
    with pytest.raises(ZeroDivisionError), replacing(table) as file:
        file.write(f"half{1 / 0}")
    assert table.read_text() == "before\n"
    assert [kept.name for kept in table.parent.iterdir()] == ["table.csv"]


def test_a_process_killed_in_the_middle_leaves_the_former_file(table):
    program = (
        "import os, pathlib, signal\n"
        "from digits.replacing import replacing\n"
        f"with replacing(pathlib.Path({str(table)!r})) as file:\n"
        "    file.write('half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    assert table.read_text() == "before\n"


def test_a_full_disk_leaves_the_former_file_and_is_told_of_it_by_name(disk):
    path = disk / "table.csv"
    path.write_text("before\n")
    with pytest.raises(OSError, match=r"No space left on device: .*table\.csv") as told, replacing(path) as file:
        file.write("x" * 4_000_000)
    assert told.value.errno == errno.ENOSPC
    assert path.read_text() == "before\n"
    assert [kept.name for kept in disk.iterdir()] == ["table.csv"]
