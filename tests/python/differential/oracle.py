"""Our side of the conversation with the published driver; see :mod:`oracle_server` for its side."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("oracle_server.py")


class Oracle:
    """The published driver in an interpreter of its own, asked over pipes."""

    def __init__(self, python: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [python, "-W", "ignore", str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=SERVER.parent,
            env=environment,
        )

    def ask(self, name: str, *arguments: Any) -> Any:
        """Ask one question and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = pickle.dumps((name, arguments), protocol=4)
        self._process.stdin.write(struct.pack(">I", len(question)) + question)
        self._process.stdin.flush()
        head = self._process.stdout.read(4)
        if len(head) < 4:
            raise RuntimeError(f"the published driver's process ended with status {self._process.wait()}")
        return pickle.loads(self._process.stdout.read(struct.unpack(">I", head)[0]))

    def close(self) -> None:
        """Let the process end, and wait for it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
