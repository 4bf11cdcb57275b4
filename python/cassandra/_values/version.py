"""Server versions, as nodes report them in ``release_version``, and their order."""

from __future__ import annotations

import functools
import re

VERSION_REGEX = re.compile(r"^(\d+)\.(\d+)(\.\d+)?(\.\d+)?([~\-]\w[.\w]*(?:-\w[.\w]*)*)?(\+[.\w]+)?$")


@functools.total_ordering
class Version:
    """A version ``major.minor[.patch[.build]][-prerelease][+metadata]``.

    A pre-release comes before its release; the metadata plays no part in the order.
    """

    __module__ = "cassandra.util"

    def __init__(self, version: str) -> None:
        """:raises ValueError: *version* is no version; at least two numbers are needed."""
        match = VERSION_REGEX.match(version)
        if match is None:
            raise ValueError(f"Version string {version} did not match expected format")
        major, minor, patch, build, prerelease, _metadata = match.groups()
        self._version = version
        self.major = int(major)
        self.minor = int(minor)
        self.patch = int(patch[1:]) if patch else 0
        self.build = int(build[1:]) if build else 0
        self.prerelease = prerelease[1:] if prerelease else ""

    def _key(self) -> tuple[int, int, int, int, bool, str]:
        return self.major, self.minor, self.patch, self.build, not self.prerelease, self.prerelease

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._key() == other._key()

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._key() < other._key()

    def __repr__(self) -> str:
        parts: list[object] = [self.major, self.minor, self.patch]
        if self.build:
            parts.append(self.build)
        if self.prerelease:
            parts.append(self.prerelease)
        return f"Version({', '.join(str(part) for part in parts)})"

    def __str__(self) -> str:
        return self._version
