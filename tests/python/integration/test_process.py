"""What a process may do to its sessions: fork, end without a word, be interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

PREAMBLE = """
import os, signal, sys, threading, time
from cassandra.cluster import Cluster
cluster = Cluster([sys.argv[1]])
session = cluster.connect()
"""


def run(contact_point: str, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREAMBLE + program, contact_point],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_fault_46_an_interpreter_with_a_live_session_ends_at_once(contact_points: list[str]) -> None:
    begun = time.monotonic()
    done = run(contact_points[0], "session.execute_async('SELECT key FROM system.local').add_callback(print)")
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - begun < 15


def test_fault_45_a_forked_child_is_told_and_the_parent_goes_on(contact_points: list[str]) -> None:
    done = run(
        contact_points[0],
        """
child = os.fork()
if child == 0:
    try:
        session.execute("SELECT key FROM system.local")
    except RuntimeError as error:
        print("child:", error, flush=True)
    own = Cluster([sys.argv[1]])
    print("child:", own.connect().execute("SELECT key FROM system.local").one(), flush=True)
    own.shutdown()
    os._exit(0)
os.waitpid(child, 0)
print("parent:", session.execute("SELECT key FROM system.local").one())
""",
    )
    assert done.stdout.splitlines() == [
        "child: this session was connected before the process forked; connect a new one in the child",
        "child: Row(key='local')",
        "parent: Row(key='local')",
    ], done.stderr
    assert done.returncode == 0


def test_a_wait_is_interrupted_by_ctrl_c(contact_points: list[str]) -> None:
    program = """
try:
    print("waiting", flush=True)
    while True:
        session.execute("SELECT * FROM system_schema.columns").all()
except KeyboardInterrupt:
    print("interrupted", session.execute("SELECT key FROM system.local").one())
"""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PREAMBLE + program, contact_points[0]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert out == "interrupted Row(key='local')\n", error
    assert process.returncode == 0
