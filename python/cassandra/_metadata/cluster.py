"""The cluster as a whole: its nodes, its token ring and its keyspaces."""

from __future__ import annotations

import bisect
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cassandra import UnsupportedOperation
from cassandra._endpoints import EndPoint
from cassandra._metadata import MODULE
from cassandra._policies.load_balancing import HostDistance

if TYPE_CHECKING:
    from uuid import UUID

    from cassandra import _core
    from cassandra._metadata.keyspaces import KeyspaceMetadata
    from cassandra._metadata.tokens import Token
    from cassandra.pool import Host

NO_VALID_REPLICA = object()
"""The key of :func:`group_keys_by_replica` for keys without a replica that can be asked."""

_TOKEN_CLASSES = (
    ("RandomPartitioner", "MD5Token"),
    ("Murmur3Partitioner", "Murmur3Token"),
    ("ByteOrderedPartitioner", "BytesToken"),
)


class Metadata:
    """What is known of the cluster; see ``Cluster.metadata``."""

    __module__ = MODULE

    cluster_name: str | None = None
    """The cluster's name."""
    partitioner: str | None = None
    """The class name of the cluster's partitioner."""
    dbaas: bool = False
    """Whether the cluster is Astra."""

    def __init__(self) -> None:
        self._keyspaces: dict[str, KeyspaceMetadata] = {}
        self._token_map: TokenMap | None = None
        self._hosts: dict[Any, Host] = {}
        self._hosts_lock = threading.RLock()
        self._source: Callable[[], _core.SchemaSnapshot] | None = None
        self._seen: _core.SchemaSnapshot | None = None
        self._tokens_seen: _core.SchemaSnapshot | None = None

    @property
    def keyspaces(self) -> dict[str, KeyspaceMetadata]:
        """Keyspaces by name, as the core last read them."""
        self._follow()
        return self._keyspaces

    @keyspaces.setter
    def keyspaces(self, keyspaces: dict[str, KeyspaceMetadata]) -> None:
        self._source = None
        self._keyspaces = keyspaces

    @property
    def token_map(self) -> TokenMap | None:
        """Which node owns which part of the ring; None when that is not known."""
        snapshot = self._source() if self._source is not None else None
        if snapshot is not None and snapshot.has_tokens():
            with self._hosts_lock:
                if self._tokens_seen is None or not snapshot.has_same_nodes(self._tokens_seen):
                    hosts = {str(host.host_id): host for host in self.all_hosts()}
                    owned = ((hosts.get(host_id), tokens) for host_id, tokens in snapshot.tokens())
                    self.rebuild_token_map(
                        self.partitioner, {host: tokens for host, tokens in owned if host is not None}
                    )
                    self._tokens_seen = snapshot
        return self._token_map

    @token_map.setter
    def token_map(self, token_map: TokenMap | None) -> None:
        self._token_map = token_map

    def follow(self, source: Callable[[], _core.SchemaSnapshot]) -> None:
        """Show what *source* gives from now on. For the driver itself."""
        self._source = source

    def _follow(self) -> None:
        """Take over what the core has read of the schema since the last time."""
        if self._source is None:
            return
        snapshot = self._source()
        with self._hosts_lock:
            if self._seen is not None and snapshot.is_same(self._seen):
                return
            from cassandra._metadata.from_core import FollowedKeyspace

            found = dict(snapshot.keyspaces())
            for name in self._keyspaces.keys() - found.keys():
                del self._keyspaces[name]
            for name, keyspace in found.items():
                known = self._keyspaces.get(name)
                if isinstance(known, FollowedKeyspace):
                    known.follow(keyspace)
                else:
                    self._keyspaces[name] = FollowedKeyspace(keyspace, self._follow)
            if self._token_map is not None:
                self._token_map.tokens_to_hosts_by_ks.clear()
            self._seen = snapshot

    def export_schema_as_string(self) -> str:
        """Write all keyspaces as CQL that makes them anew."""
        return "\n\n".join(keyspace.export_as_string() for keyspace in self.keyspaces.values())

    def refresh(
        self, connection: Any, timeout: float, target_type: Any = None, change_type: Any = None, **kwargs: Any
    ) -> None:
        """Refuse: the core reads the schema; use ``Cluster.refresh_schema_metadata``.

        :raises UnsupportedOperation: always.
        """
        raise UnsupportedOperation("the schema is read by the core, not through a connection in Python")

    def rebuild_token_map(self, partitioner: str | None, token_map: Mapping[Host, Iterable[str]]) -> None:
        """Make :attr:`token_map` of the tokens that each node says are its own."""
        self.partitioner = partitioner
        token_class = _token_class(partitioner)
        if token_class is None:
            self._token_map = None
            return
        owners = {token_class.from_string(text): host for host, texts in token_map.items() for text in texts}
        self._token_map = TokenMap(token_class, owners, sorted(owners), self)

    def get_replicas(self, keyspace: str, key: Any) -> Sequence[Host]:
        """Give the nodes with replicas of a serialized partition key; none if they are not known."""
        if self._source is not None:
            hosts = {str(host.host_id): host for host in self.all_hosts()}
            return [hosts[found] for found in self._source().replicas(keyspace, key) if found in hosts]
        token_map = self._token_map
        if token_map is None:
            return []
        return token_map.get_replicas(keyspace, token_map.token_class.from_key(key))

    def can_support_partitioner(self) -> bool:
        """Tell whether tokens of the cluster's partitioner can be computed."""
        return _token_class_name(self.partitioner) is not None

    def add_or_return_host(self, host: Host) -> tuple[Host, bool]:
        """Take *host* in unless its endpoint is known; gives the node that is there and whether it is new."""
        with self._hosts_lock:
            known = self._hosts.get(host.endpoint)
            if known is not None:
                return known, False
            self._hosts[host.endpoint] = host
            return host, True

    def remove_host(self, host: Host) -> bool:
        """Forget *host*; tells whether it was known."""
        with self._hosts_lock:
            return self._hosts.pop(host.endpoint, None) is not None

    def get_host(self, endpoint_or_address: Any, port: int | None = None) -> Host | None:
        """Find a node by its endpoint, or by its address and port; any port if none is given, or none is known."""
        if isinstance(endpoint_or_address, EndPoint):
            return self._hosts.get(endpoint_or_address)
        # As published, a host stands for itself.
        endpoint = getattr(endpoint_or_address, "endpoint", None)
        if isinstance(endpoint, EndPoint):
            return self._hosts.get(endpoint)
        for host in self.all_hosts():
            told = host.broadcast_rpc_port
            if host.broadcast_rpc_address == endpoint_or_address and (port is None or told in (None, port)):
                return host
        for host in self.all_hosts():
            if host.endpoint.address == endpoint_or_address and port in (None, host.endpoint.port):
                return host
        return None

    def get_host_by_host_id(self, host_id: UUID) -> Host | None:
        """Find a node by its own id."""
        return next((host for host in self.all_hosts() if host.host_id == host_id), None)

    def all_hosts(self) -> list[Host]:
        """Give all nodes."""
        with self._hosts_lock:
            return list(self._hosts.values())


def _token_class_name(partitioner: str | None) -> str | None:
    names = (token for name, token in _TOKEN_CLASSES if (partitioner or "").endswith(name))
    return next(names, None)


def _token_class(partitioner: str | None) -> type[Token] | None:
    name = _token_class_name(partitioner)
    if name is None:
        return None
    from cassandra._metadata import tokens

    token_class: type[Token] = getattr(tokens, name)
    return token_class


class TokenMap:
    """Which node owns which part of the ring, and which nodes have the replicas."""

    __module__ = MODULE

    token_class: type[Token] = None  # type: ignore[assignment]
    """The class of the tokens."""
    token_to_host_owner: Mapping[Token, Host] = None  # type: ignore[assignment]
    """The owner of each token."""
    tokens_to_hosts_by_ks: dict[str, Mapping[Token, Sequence[Host]]] = None  # type: ignore[assignment]
    """By keyspace, the nodes with replicas of each token."""
    ring: list[Token] = None  # type: ignore[assignment]
    """All tokens in order."""

    def __init__(
        self,
        token_class: type[Token],
        token_to_host_owner: Mapping[Token, Host],
        all_tokens: Sequence[Token],
        metadata: Metadata,
    ) -> None:
        self.token_class = token_class
        self.token_to_host_owner = token_to_host_owner
        self.ring = list(all_tokens)
        self.tokens_to_hosts_by_ks = {}
        self._metadata = metadata
        self._rebuild_lock = threading.RLock()

    def rebuild_keyspace(self, keyspace: str, build_if_absent: bool = False) -> None:
        """Compute the replicas of *keyspace* anew; of one that was not asked for yet only with *build_if_absent*."""
        with self._rebuild_lock:
            if build_if_absent or keyspace in self.tokens_to_hosts_by_ks:
                found = self._metadata.keyspaces.get(keyspace)
                if found is not None:
                    self.tokens_to_hosts_by_ks[keyspace] = self.replica_map_for_keyspace(found)

    def replica_map_for_keyspace(self, ks_metadata: KeyspaceMetadata) -> Mapping[Token, Sequence[Host]]:
        """Give the nodes with replicas of each token by the keyspace's strategy."""
        strategy = ks_metadata.replication_strategy
        return {} if strategy is None else strategy.make_token_replica_map(self.token_to_host_owner, self.ring)

    def remove_keyspace(self, keyspace: str) -> None:
        """Forget the replicas of *keyspace*."""
        self.tokens_to_hosts_by_ks.pop(keyspace, None)

    def get_replicas(self, keyspace: str, token: Token) -> Sequence[Host]:
        """Give the nodes with replicas of *token*; none if they are not known."""
        replica_map = self.tokens_to_hosts_by_ks.get(keyspace)
        if replica_map is None:
            self.rebuild_keyspace(keyspace, build_if_absent=True)
            replica_map = self.tokens_to_hosts_by_ks.get(keyspace)
        if not replica_map or not self.ring:
            return []
        # A node owns the range that ends with its token; past the last one the ring begins anew.
        place = bisect.bisect_left(self.ring, token) % len(self.ring)
        return replica_map[self.ring[place]]


def group_keys_by_replica(
    session: Any, keyspace: str, table: str, keys: Iterable[Sequence[Any]]
) -> dict[Any, list[Any]]:
    """Put partition keys together by a node that has a replica of them, so that each group can go to one node.

    :param keys: tuples of the values of the partition key's columns.
    :returns: the keys by :class:`Host`; those without one that is up and not ignored under :data:`NO_VALID_REPLICA`.
    """
    cluster = session.cluster
    partition_key = cluster.metadata.keyspaces[keyspace].tables[table].partition_key
    serializers = [_type_of(column) for column in partition_key]
    distance = cluster.profile_manager.default.load_balancing_policy.distance
    protocol_version = cluster.protocol_version

    grouped: dict[Any, list[Any]] = defaultdict(list)
    for key in keys:
        flat = [kind.serialize(value, protocol_version) for kind, value in zip(serializers, key, strict=True)]
        replicas = cluster.metadata.get_replicas(keyspace, _routing_key(flat))
        usable = [(distance(host), host) for host in replicas if host.is_up]
        usable = [(far, host) for far, host in usable if far != HostDistance.IGNORED]
        nearest = min(usable, key=lambda pair: pair[0], default=None)
        grouped[NO_VALID_REPLICA if nearest is None else nearest[1]].append(key)
    return dict(grouped)


def _type_of(column: Any) -> Any:
    from cassandra.cqltypes import lookup_casstype

    known = getattr(column, "_cass_type", None)
    return known if known is not None else lookup_casstype(_SERVER_CLASSES.get(column.cql_type, column.cql_type))


_SERVER_CLASSES = {
    "ascii": "AsciiType",
    "bigint": "LongType",
    "blob": "BytesType",
    "boolean": "BooleanType",
    "date": "SimpleDateType",
    "decimal": "DecimalType",
    "double": "DoubleType",
    "float": "FloatType",
    "inet": "InetAddressType",
    "int": "Int32Type",
    "smallint": "ShortType",
    "text": "UTF8Type",
    "time": "TimeType",
    "timestamp": "TimestampType",
    "timeuuid": "TimeUUIDType",
    "tinyint": "ByteType",
    "uuid": "UUIDType",
    "varchar": "UTF8Type",
    "varint": "IntegerType",
}


def _routing_key(components: Sequence[bytes]) -> bytes:
    from cassandra._query.statement import join_key_components

    return join_key_components(components)


group_keys_by_replica.__module__ = MODULE
