"""The cluster's nodes, token ring and schema, as Python objects that can write themselves as CQL.

The core reads and keeps all of it; these objects are made of its snapshot when they are asked for. The implementation
is in ``cassandra._metadata``; this is the public address of all of it.
"""

from __future__ import annotations

import logging

from cassandra import ConsistencyLevel as ConsistencyLevel
from cassandra import InvalidRequest as InvalidRequest
from cassandra import SignatureDescriptor as SignatureDescriptor
from cassandra import Unauthorized as Unauthorized
from cassandra import cqltypes as _cqltypes
from cassandra._metadata.cluster import NO_VALID_REPLICA as NO_VALID_REPLICA
from cassandra._metadata.cluster import Metadata as Metadata
from cassandra._metadata.cluster import TokenMap as TokenMap
from cassandra._metadata.cluster import group_keys_by_replica as group_keys_by_replica
from cassandra._metadata.keyspaces import Aggregate as Aggregate
from cassandra._metadata.keyspaces import Function as Function
from cassandra._metadata.keyspaces import KeyspaceMetadata as KeyspaceMetadata
from cassandra._metadata.keyspaces import UserType as UserType
from cassandra._metadata.names import cql_keywords as cql_keywords
from cassandra._metadata.names import cql_keywords_reserved as cql_keywords_reserved
from cassandra._metadata.names import cql_keywords_unreserved as cql_keywords_unreserved
from cassandra._metadata.names import escape_name as escape_name
from cassandra._metadata.names import is_valid_name as is_valid_name
from cassandra._metadata.names import maybe_escape_name as maybe_escape_name
from cassandra._metadata.names import protect_name as protect_name
from cassandra._metadata.names import protect_names as protect_names
from cassandra._metadata.names import protect_value as protect_value
from cassandra._metadata.names import valid_cql3_word_re as valid_cql3_word_re
from cassandra._metadata.replication import REPLICATION_STRATEGY_CLASS_PREFIX as REPLICATION_STRATEGY_CLASS_PREFIX
from cassandra._metadata.replication import LocalStrategy as LocalStrategy
from cassandra._metadata.replication import NetworkTopologyStrategy as NetworkTopologyStrategy
from cassandra._metadata.replication import ReplicationFactor as ReplicationFactor
from cassandra._metadata.replication import ReplicationStrategy as ReplicationStrategy
from cassandra._metadata.replication import ReplicationStrategyTypeType as ReplicationStrategyTypeType
from cassandra._metadata.replication import SimpleStrategy as SimpleStrategy
from cassandra._metadata.replication import _ReplicationStrategy as _ReplicationStrategy
from cassandra._metadata.replication import _UnknownStrategy as _UnknownStrategy
from cassandra._metadata.replication import trim_if_startswith as trim_if_startswith
from cassandra._metadata.tables import ColumnMetadata as ColumnMetadata
from cassandra._metadata.tables import EdgeMetadata as EdgeMetadata
from cassandra._metadata.tables import IndexMetadata as IndexMetadata
from cassandra._metadata.tables import MaterializedViewMetadata as MaterializedViewMetadata
from cassandra._metadata.tables import RegisteredTableExtension as RegisteredTableExtension
from cassandra._metadata.tables import RLACTableExtension as RLACTableExtension
from cassandra._metadata.tables import TableExtensionInterface as TableExtensionInterface
from cassandra._metadata.tables import TableMetadata as TableMetadata
from cassandra._metadata.tables import TableMetadataDSE68 as TableMetadataDSE68
from cassandra._metadata.tables import TableMetadataV3 as TableMetadataV3
from cassandra._metadata.tables import TriggerMetadata as TriggerMetadata
from cassandra._metadata.tables import VertexMetadata as VertexMetadata
from cassandra._metadata.tokens import MAX_LONG as MAX_LONG
from cassandra._metadata.tokens import MIN_LONG as MIN_LONG
from cassandra._metadata.tokens import BytesToken as BytesToken
from cassandra._metadata.tokens import HashToken as HashToken
from cassandra._metadata.tokens import MD5Token as MD5Token
from cassandra._metadata.tokens import Murmur3Token as Murmur3Token
from cassandra._metadata.tokens import Token as Token
from cassandra.connection import EndPoint as EndPoint
from cassandra.encoder import Encoder as Encoder
from cassandra.marshal import varint_unpack as varint_unpack
from cassandra.murmur3 import murmur3 as murmur3
from cassandra.policies import HostDistance as HostDistance
from cassandra.protocol import QueryMessage as QueryMessage
from cassandra.query import bind_params as bind_params
from cassandra.query import dict_factory as dict_factory
from cassandra.util import Version as Version

log = logging.getLogger(__name__)

types = _cqltypes


class NoMurmur3(Exception):
    """Murmur3 cannot be computed; kept for programs that catch it, for it always can."""
