import subprocess
import sys
import threading
import time

import pytest

from meterhouse.errors import Busy
from meterhouse.locks import FileLock

HOLD = """
import sys, time
from pathlib import Path
from meterhouse.locks import FileLock
with FileLock(Path(sys.argv[1]), "write", 0).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "locks" / "write.lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock until the test ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def is_free(path):
    try:
        with FileLock(path, "write", 0).held():
            return True
    except Busy:
        return False


def test_a_lock_keeps_out_another_object_until_it_is_left(path):
    with FileLock(path, "write", 0).held():
        assert not is_free(path)
    assert is_free(path)


def test_a_lock_is_re_entrant_and_freed_by_the_outermost_block_only(path):
    lock = FileLock(path, "write", 0)
    with lock.held():
        with lock.held():
            pass
        assert not is_free(path)
    assert is_free(path)


def test_a_lock_is_freed_when_its_block_fails(path):
    lock = FileLock(path, "write", 0)
    with pytest.raises(KeyError), lock.held():
        raise KeyError
    assert is_free(path)
    with lock.held():
        assert not is_free(path)


def test_waiting_ends_with_a_sentence_that_names_the_process(path, holder):
    started = time.monotonic()
    with pytest.raises(Busy) as caught, FileLock(path, "write", 1).held():
        pass
    assert 1 <= time.monotonic() - started < 30
    assert str(caught.value).startswith(
        f"The write lock is held by process {holder.pid}; waited 1 s. Nothing was changed."
    )
    assert (caught.value.exit_code, caught.value.lock) == (5, "write")


def test_a_lock_of_a_killed_process_is_free(path, holder):
    assert not is_free(path)
    holder.kill()
    holder.wait()
    assert is_free(path)


def test_a_waiting_process_takes_the_lock_as_soon_as_the_holder_dies(path, holder):
    killing = threading.Timer(0.3, holder.kill)
    killing.start()
    with FileLock(path, "write", 60).held():
        assert holder.wait() == -9
    killing.join()


def test_a_lock_file_that_was_left_behind_locks_nobody_out(path):
    path.parent.mkdir()
    path.write_text("999999")
    assert is_free(path)
