"""Replication strategies: which nodes have the replicas of a token.

The order of replicas is that in which the server's strategy walks the ring; it is the order of token-aware plans.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cassandra._metadata import MODULE
from cassandra._metadata.names import map_literal
from cassandra._metadata.tokens import Token

log = logging.getLogger(MODULE)

REPLICATION_STRATEGY_CLASS_PREFIX = "org.apache.cassandra.locator."

_strategies: dict[str, type[_ReplicationStrategy]] = {}

ReplicaMap = dict[Token, Sequence[Any]]


def trim_if_startswith(s: str, prefix: str) -> str:
    """Give *s* without *prefix*, unchanged when it does not start with it."""
    return s.removeprefix(prefix)


trim_if_startswith.__module__ = MODULE


class ReplicationFactor:
    """How many replicas there are, and how many of them are transient (``3/1``)."""

    __module__ = MODULE
    __hash__ = None  # type: ignore[assignment]  # mutable

    all_replicas: int = None  # type: ignore[assignment]
    """All replicas."""
    full_replicas: int = None  # type: ignore[assignment]
    """Those with all data."""
    transient_replicas: int | None = None
    """Those with data that is not repaired yet; ``None`` if none were asked for."""

    def __init__(self, all_replicas: int, transient_replicas: int | None = None) -> None:
        self.all_replicas = all_replicas
        self.transient_replicas = transient_replicas
        self.full_replicas = all_replicas - (transient_replicas or 0)

    @staticmethod
    def create(rf: Any) -> ReplicationFactor:
        """Read ``3`` or ``3/1``.

        :raises ValueError: *rf* is neither.
        """
        parts = str(rf).split("/")
        try:
            if len(parts) > 2:
                raise ValueError
            return ReplicationFactor(*(int(part) for part in parts))
        except ValueError:
            raise ValueError(f"Unable to determine replication factor from: {rf}") from None

    def __str__(self) -> str:
        return f"{self.all_replicas}/{self.transient_replicas}" if self.transient_replicas else str(self.all_replicas)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReplicationFactor):
            return False
        return (self.all_replicas, self.full_replicas) == (other.all_replicas, other.full_replicas)


class ReplicationStrategyTypeType(type):
    """Registers strategies by their name."""

    __module__ = MODULE

    def __new__(metacls, name: str, bases: tuple[type, ...], dct: dict[str, Any]) -> ReplicationStrategyTypeType:
        dct.setdefault("name", name)
        cls = super().__new__(metacls, name, bases, dct)
        if not name.startswith("_"):
            _strategies[name] = cls  # type: ignore[assignment]
        return cls


class _ReplicationStrategy(metaclass=ReplicationStrategyTypeType):
    """Base of replication strategies."""

    __module__ = MODULE

    name: ClassVar[str]
    options_map: Mapping[str, Any] | None = None

    @classmethod
    def create(cls, strategy_class: str | None, options_map: Mapping[str, Any]) -> _ReplicationStrategy | None:
        """Make the strategy of a keyspace; ``None`` if there is none or its options make no sense."""
        if not strategy_class:
            return None
        short_name = trim_if_startswith(strategy_class, REPLICATION_STRATEGY_CLASS_PREFIX)
        known = _strategies.get(short_name)
        if known is None:
            return _UnknownStrategy(short_name, options_map)
        try:
            return known(options_map)
        except (KeyError, ValueError) as error:
            log.warning("failed creating %s with options %s: %s", strategy_class, options_map, error)
            return None

    def __init__(self, options_map: Mapping[str, Any]) -> None:
        self.options_map = options_map

    def make_token_replica_map(self, token_to_host_owner: Mapping[Token, Any], ring: Sequence[Token]) -> ReplicaMap:
        """Give the nodes with replicas of each token of the sorted *ring*."""
        raise NotImplementedError

    def export_for_schema(self) -> str:
        """Write the replication options of CREATE KEYSPACE."""
        raise NotImplementedError


ReplicationStrategy = _ReplicationStrategy


class _UnknownStrategy(_ReplicationStrategy):
    """A strategy that is not known here: no replicas are told."""

    __module__ = MODULE

    def __init__(self, name: str, options_map: Mapping[str, Any]) -> None:
        self.name = name  # type: ignore[misc]
        self.options_map = {**options_map, "class": name}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _UnknownStrategy) and self.name == other.name and self.options_map == other.options_map

    __hash__ = None  # type: ignore[assignment]  # mutable

    def export_for_schema(self) -> str:
        return map_literal(self.options_map or {})

    def make_token_replica_map(self, token_to_host_owner: Mapping[Token, Any], ring: Sequence[Token]) -> ReplicaMap:
        return {}


def _walk(ring: Sequence[Token], start: int) -> Sequence[Token]:
    return (*ring[start:], *ring[:start])


class SimpleStrategy(_ReplicationStrategy):
    """The next nodes on the ring, whatever their datacenter and rack."""

    __module__ = MODULE
    __hash__ = None  # type: ignore[assignment]  # mutable

    replication_factor_info: ReplicationFactor = None  # type: ignore[assignment]
    """How many replicas there are."""

    def __init__(self, options_map: Mapping[str, Any]) -> None:
        """:raises KeyError: no factor is given. :raises ValueError: it is none."""
        self.replication_factor_info = ReplicationFactor.create(options_map["replication_factor"])

    @property
    def replication_factor(self) -> int:
        """How many full replicas there are."""
        return self.replication_factor_info.full_replicas

    def make_token_replica_map(self, token_to_host_owner: Mapping[Token, Any], ring: Sequence[Token]) -> ReplicaMap:
        replica_map: ReplicaMap = {}
        for index, token in enumerate(ring):
            replicas: list[Any] = []
            for other in _walk(ring, index):
                if len(replicas) >= self.replication_factor:
                    break
                host = token_to_host_owner[other]
                if host not in replicas:
                    replicas.append(host)
            replica_map[token] = replicas
        return replica_map

    def export_for_schema(self) -> str:
        return f"{{'class': 'SimpleStrategy', 'replication_factor': '{self.replication_factor_info}'}}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimpleStrategy) and self.replication_factor_info == other.replication_factor_info


class NetworkTopologyStrategy(_ReplicationStrategy):
    """The next nodes of each datacenter on the ring, those in further racks first."""

    __module__ = MODULE
    __hash__ = None  # type: ignore[assignment]  # mutable

    dc_replication_factors_info: dict[str, ReplicationFactor] = None  # type: ignore[assignment]
    """How many replicas there are, by datacenter."""
    dc_replication_factors: dict[str, int] = None  # type: ignore[assignment]
    """How many full replicas there are, by datacenter."""

    def __init__(self, dc_replication_factors: Mapping[str, Any]) -> None:
        """:raises ValueError: a factor is none."""
        self.dc_replication_factors_info = {
            dc: ReplicationFactor.create(factor) for dc, factor in dc_replication_factors.items()
        }
        self.dc_replication_factors = {dc: rf.full_replicas for dc, rf in self.dc_replication_factors_info.items()}

    def make_token_replica_map(self, token_to_host_owner: Mapping[Token, Any], ring: Sequence[Token]) -> ReplicaMap:
        rings_by_dc: dict[str, list[tuple[Token, Any]]] = {}
        for token in ring:
            host = token_to_host_owner[token]
            rings_by_dc.setdefault(host.datacenter, []).append((token, host))
        factors = [(dc, self.dc_replication_factors.get(dc, 0)) for dc in rings_by_dc]
        starts = dict.fromkeys(rings_by_dc, 0)

        replica_map: ReplicaMap = {}
        for token in ring:
            replicas: list[Any] = []
            for dc, factor in factors:
                dc_ring = rings_by_dc[dc]
                while starts[dc] < len(dc_ring) and dc_ring[starts[dc]][0] < token:
                    starts[dc] += 1
                start = starts[dc] % len(dc_ring)
                hosts = [host for _, host in (*dc_ring[start:], *dc_ring[:start])]
                replicas += _spread_over_racks(hosts, factor)
            replica_map[token] = replicas
        return replica_map

    def export_for_schema(self) -> str:
        options = "".join(
            f", '{dc}': '{self.dc_replication_factors_info[dc]}'" for dc in sorted(self.dc_replication_factors)
        )
        return f"{{'class': 'NetworkTopologyStrategy'{options}}}"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, NetworkTopologyStrategy)
            and self.dc_replication_factors_info == other.dc_replication_factors_info
        )


def _spread_over_racks(hosts: Sequence[Any], factor: int) -> list[Any]:
    """Take *factor* of *hosts* in order, but pass by a rack that has one until each rack has."""
    if factor <= 0:
        return []
    racks = {host.rack for host in hosts}
    chosen: list[Any] = []
    passed_by: list[Any] = []
    used_racks: set[Any] = set()
    for host in hosts:
        if len(chosen) >= factor:
            break
        if host in chosen or host in passed_by:
            continue
        if host.rack in used_racks and len(used_racks) < len(racks):
            passed_by.append(host)
            continue
        chosen.append(host)
        used_racks.add(host.rack)
        if len(used_racks) == len(racks) and passed_by:
            while passed_by and len(chosen) < factor:
                chosen.append(passed_by.pop(0))
    return chosen


class LocalStrategy(_ReplicationStrategy):
    """Each node has its own data, which no other has: the system keyspaces."""

    __module__ = MODULE
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, options_map: Mapping[str, Any]) -> None:
        """Ignores the options: there are none."""

    def make_token_replica_map(self, token_to_host_owner: Mapping[Token, Any], ring: Sequence[Token]) -> ReplicaMap:
        return {}

    def export_for_schema(self) -> str:
        return "{'class': 'LocalStrategy'}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalStrategy)
