"""Names and constants in CQL text: when a name needs quotes, and how values are written in options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cassandra._metadata import MODULE
from cassandra.encoder import Encoder

cql_keywords_unreserved = set(
    """
    aggregate all as ascii bigint blob boolean called clustering compact contains count counter custom date
    decimal deterministic distinct double exists filtering finalfunc float frozen function functions inet
    initcond input int json key keys keyspaces language list login map monotonic nologin nosuperuser options
    password permission permissions returns role roles sfunc smallint static storage stype superuser text time
    timestamp timeuuid tinyint trigger ttl tuple type user users uuid values varchar varint writetime
    """.split()
)
"""Keywords that are names without quotes too."""

cql_keywords_reserved = set(
    """
    active add allow alter and any application applications apply asc authentication authorize batch begin by
    call calls cluster columnfamily columns commit config create default delegation delete desc describe drop
    entries execute executor executors field from full grant if in index indices infinity insert internal into
    is java kerberos keyspace ldap limit lowercasestring materialized mbean mbeans method modify nan no node
    nodes norecursive not null object of on or order plan primary profiles rebuild redact reload remote rename
    renew replace restrict revoke rows schema scheme schemes search select set std_err std_out submission table
    to token truncate unlogged unrestrict unset update use using view where with workpool
    """.split()
)
"""Keywords that are names only in quotes; those of DSE are among them."""

cql_keywords = cql_keywords_unreserved | cql_keywords_reserved
"""All keywords."""

valid_cql3_word_re = re.compile(r"^[a-z][0-9a-z_]*$")


def is_valid_name(name: str | None) -> bool:
    """Tell whether *name* needs no quotes."""
    if name is None:
        return False
    return name not in cql_keywords_reserved and valid_cql3_word_re.match(name) is not None


def escape_name(name: str) -> str:
    """Write *name* in quotes."""
    return '"{}"'.format(name.replace('"', '""'))


def maybe_escape_name(name: str) -> str:
    """Write *name*, in quotes if it needs them."""
    return name if is_valid_name(name) else escape_name(name)


def protect_name(name: str) -> str:
    """Write *name*, in quotes if it needs them."""
    return maybe_escape_name(name)


def protect_names(names: Iterable[str]) -> list[str]:
    """Write each of *names*, in quotes if it needs them."""
    return [protect_name(name) for name in names]


def protect_value(value: Any) -> str:
    """Write the value of an option: text in quotes, anything else as CQL has it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    return Encoder().cql_encode_all_types(value) if isinstance(value, str) else _quoted(value)


def _quoted(value: Any) -> str:
    return "'{}'".format(str(value).replace("'", "''"))


def map_literal(options: Mapping[Any, Any]) -> str:
    """Write options as a map of texts, in the order of their names."""
    return f"{{{', '.join(f'{_quoted(name)}: {_quoted(options[name])}' for name in sorted(options))}}}"


for _function in (escape_name, is_valid_name, maybe_escape_name, protect_name, protect_names, protect_value):
    _function.__module__ = MODULE
del _function
