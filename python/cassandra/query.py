"""Statements, the values bound to them, the shapes of rows, and traces.

Four kinds of statements are executed: text (:class:`SimpleStatement`), prepared text with its values
(:class:`BoundStatement`, from :class:`PreparedStatement`), and groups of both (:class:`BatchStatement`).
The implementation is in ``cassandra._query``; this is the public address of all of it.

Invariant: values of a bound statement are serialized when they are bound, so an error names the column before anything
is sent.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from cassandra import ConsistencyLevel as ConsistencyLevel
from cassandra import OperationTimedOut as OperationTimedOut
from cassandra import _lazy
from cassandra._query.batch import BatchStatement as BatchStatement
from cassandra._query.batch import BatchType as BatchType
from cassandra._query.prepared import BoundStatement as BoundStatement
from cassandra._query.prepared import PreparedStatement as PreparedStatement
from cassandra._query.rows import dict_factory as dict_factory
from cassandra._query.rows import named_tuple_factory as named_tuple_factory
from cassandra._query.rows import ordered_dict_factory as ordered_dict_factory
from cassandra._query.rows import tuple_factory as tuple_factory
from cassandra._query.statement import FETCH_SIZE_UNSET as FETCH_SIZE_UNSET
from cassandra._query.statement import UNSET_VALUE as UNSET_VALUE
from cassandra._query.statement import HostTargetingStatement as HostTargetingStatement
from cassandra._query.statement import SimpleStatement as SimpleStatement
from cassandra._query.statement import Statement as Statement
from cassandra._query.statement import bind_params as bind_params
from cassandra._query.trace import QueryTrace as QueryTrace
from cassandra._query.trace import TraceEvent as TraceEvent
from cassandra._query.trace import TraceUnavailable as TraceUnavailable
from cassandra.policies import ColDesc as ColDesc

if TYPE_CHECKING:
    from cassandra.encoder import Encoder as Encoder
    from cassandra.encoder import ValueSequence as ValueSequence
    from cassandra.util import unix_time_from_uuid1 as unix_time_from_uuid1

_lazy.offer(
    __name__,
    {
        "cassandra.encoder": "Encoder ValueSequence",
        "cassandra.util": "unix_time_from_uuid1",
    },
)

log = logging.getLogger(__name__)

NON_ALPHA_REGEX = re.compile("[^a-zA-Z0-9]")
START_BADCHAR_REGEX = re.compile("^[^a-zA-Z0-9]*")
END_BADCHAR_REGEX = re.compile("[^a-zA-Z0-9_]*$")
