"""Runs the clients under callgrind, and with the counting allocator."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from .callgrind import Profile
from .cases import PYTHON, Case

LIMIT = 300
"""Seconds that one client may take."""

ENVIRONMENT = {
    # Long copies as vector instructions: callgrind counts every byte of a `rep movsb`, where the machine has it.
    "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}
PYTHON_MARK = "getpriority"
"""A function of the C library that nobody calls but the Python client, to mark the part that is counted."""


@dataclasses.dataclass(frozen=True)
class Programs:
    """What is run."""

    testkit: Path
    binaries: Path
    """Where the Rust clients are."""
    python: Path | None


@dataclasses.dataclass(frozen=True)
class Count:
    """Of one request, or of one row."""

    instructions: float
    """All of them."""
    own: float
    """Those in the driver's own program or extension module, so without the C library and the interpreter."""
    allocations: float | None = None
    bytes: float | None = None
    tasks: float | None = None

    def least(self, other: Count) -> Count:
        """The lower figure of each kind."""
        return self._of_each(other, min)

    def most(self, other: Count) -> Count:
        """The higher figure of each kind."""
        return self._of_each(other, max)

    def _of_each(self, other: Count, choose: Callable[[tuple[float, float]], float]) -> Count:
        pairs = {
            field.name: (getattr(self, field.name), getattr(other, field.name)) for field in dataclasses.fields(self)
        }
        return Count(**{name: None if None in pair else choose(pair) for name, pair in pairs.items()})


class Measuring:
    """The servers and the programs.

    :param programs: what to run.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._statements: dict[str, str] = json.loads(
            subprocess.run([programs.testkit, "canned", "--describe"], check=True, capture_output=True).stdout
        )["statements"]
        self._addresses: dict[int, str] = {}

    @contextlib.contextmanager
    def serving(self, windows: set[int]) -> Iterator[None]:
        """A canned responder for every number of requests in flight."""
        with contextlib.ExitStack() as stack:
            for window in windows:
                process = stack.enter_context(
                    subprocess.Popen(
                        [self._programs.testkit, "canned", "--window", str(window)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                assert process.stdin is not None
                assert process.stdout is not None
                # They run until their standard input closes.
                stack.callback(process.stdin.close)
                self._addresses[window] = json.loads(process.stdout.readline())["address"]
            yield

    def _arguments(self, case: Case) -> list[str]:
        numbers = (case.in_flight, case.warm_up, case.count)
        address = self._addresses[case.in_flight]
        return [case.operation, self._statements[case.workload], address, *map(str, numbers)]

    def profile(self, case: Case, callers: int = 0) -> tuple[Profile, int]:
        """Counts instructions.

        :param callers: how many callers tell a function apart from itself.
        :returns: the profile of the marked part, and how many units were done in it.
        """
        if case.language == PYTHON:
            mark = PYTHON_MARK
            client = [str(self._programs.python), "benches/instructions/client.py"]
        else:
            mark = "*helenus_mark*"
            client = [str(self._programs.binaries / "instructions")]
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={mark}"]
            valgrind.append(f"--separate-callers={callers}")
            answer = _run([*valgrind, *client, *self._arguments(case)])
            # The first part ends where the count begins.
            return Profile.read(out.with_name("out.2")), int(answer["units"])

    def count(self, case: Case, callers: int = 0) -> tuple[Count, Profile, int]:
        """All figures of a case, and what they were taken from."""
        profile, units = self.profile(case, callers)
        return self._count(case, profile, units), profile, units

    def _count(self, case: Case, profile: Profile, units: int) -> Count:
        if case.language == PYTHON:
            return Count(profile.total / units, profile.within("/cassandra/") / units)
        answer = _run([str(self._programs.binaries / "allocations"), *self._arguments(case)])
        return Count(
            profile.total / units,
            profile.within(str(self._programs.binaries)) / units,
            answer["allocations"] / answer["units"],
            answer["bytes"] / answer["units"],
            answer["tasks"] / answer["units"],
        )


def _run(command: list[str]) -> dict[str, float]:
    done = subprocess.run(
        command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:6])} ...: exit status {done.returncode}\n{done.stderr}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer
