"""The programs to measure: Rust clients, Python environments of the peers, and the C extension that is the limit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import plan

PYTHON_PEERS = {"published": "cassandra-driver", "fork": "scylla-driver", "acsylla": "acsylla"}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def rust() -> tuple[Path, Path]:
    """The test bed and the Rust clients, in release mode."""
    say("== building the clients (some minutes the first time)")
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    for manifest, package in (("Cargo.toml", "helenus-testkit"), ("benches/rust/Cargo.toml", "helenus-bench")):
        command = ["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "--package", package]
        subprocess.run(command, check=True, env=environment)
    return target / "release" / "helenus-testkit", target / "release" / "helenus-bench"


def python_peer(name: str, under: Path) -> Path:
    """The interpreter of an environment with this peer, made where there is none or its requirements have changed.

    :raises RuntimeError: with what pip said last, when it cannot be installed.
    """
    requirements = Path("benches/peers") / f"{name}.txt"
    environment = under / name
    python, stamp = environment / "bin" / "python", environment / "requirements.txt"
    wanted = requirements.read_text(encoding="utf-8")
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    say(f"== installing {name} to compare with")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(lines[-1])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def numpy_for(python: Path) -> None:
    """NumPy for our own environment, which does not need it otherwise."""
    if subprocess.run([str(python), "-c", "import numpy"], capture_output=True, check=False).returncode != 0:
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "-r", "benches/peers/helenus.txt"], check=False)


def floor(python: Path, under: Path) -> Path:
    """Builds the C extension for this interpreter.

    :raises RuntimeError: with what the compiler said first.
    """
    question = "import json, sysconfig as s; print(json.dumps([s.get_path('include'), s.get_config_var('EXT_SUFFIX')]))"
    answer = subprocess.run([str(python), "-c", question], check=True, capture_output=True, text=True).stdout
    include, suffix = json.loads(answer)
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("there is no C compiler")
    directory = (under / "floor").absolute()
    directory.mkdir(parents=True, exist_ok=True)
    source, library = Path("benches/floor/floor.c"), directory / f"floor{suffix}"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        command = [compiler, "-O2", "-g", "-shared", "-fPIC", "-Wall", "-Wextra", f"-I{include}"]
        done = subprocess.run([*command, str(source), "-o", str(library)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or ["the compiler failed"])[0])
    return directory


def programs(client: Path, ours: Path, under: Path) -> tuple[plan.Programs, list[str]]:
    """All of them, and a sentence for each that could not be had."""
    missing = []
    found: dict[str, Path | None] = {}
    for field, name in PYTHON_PEERS.items():
        try:
            found[field] = python_peer(name, under)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            found[field] = None
            missing.append(f"{name} could not be installed: {error}")
    if ours.exists():
        numpy_for(ours)
    else:
        missing.append(f"Helenus for Python is not measured: {ours} does not exist (make python)")
    interpreter = ours if ours.exists() else found["published"] or Path(sys.executable)
    extension = None
    try:
        extension = floor(interpreter, under)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        missing.append(f"the C extension could not be built: {error}")
    for line in missing:
        say(f"   {line}")
    return plan.Programs(
        rust=client,
        ours=ours if ours.exists() else None,
        published=found["published"],
        fork=found["fork"],
        acsylla=found["acsylla"],
        floor=extension,
        floor_python=interpreter,
    ), missing
