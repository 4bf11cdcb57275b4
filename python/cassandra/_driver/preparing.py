"""Where statements are prepared: the part of ``Cluster`` that is about prepared statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cassandra import _core


class Switch:
    """An attribute of ``Cluster`` that is true unless it is set. The core is told at once when it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, cluster: Preparing | None, owner: type | None = None) -> bool:
        return True if cluster is None else cluster.__dict__.get(self._name, True)

    def __set__(self, cluster: Preparing, value: bool) -> None:
        cluster.__dict__[self._name] = value
        cluster._set_preparing()


class Preparing:
    """What ``Cluster`` does about prepared statements.

    Its attributes act from the next statement, and the next host that comes up, on.
    """

    _core: _core.ClusterCore | None

    prepare_on_all_hosts = Switch()
    """Whether all hosts prepare a statement at once, or each when it is first executed there."""
    reprepare_on_up = Switch()
    """Whether a host that comes up prepares the statements that sessions have, in the background."""

    def _set_preparing(self) -> None:
        core: _core.ClusterCore | None = getattr(self, "_core", None)
        if core is not None:
            core.set_preparing(bool(self.prepare_on_all_hosts), bool(self.reprepare_on_up))
