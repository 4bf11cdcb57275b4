"""Endpoints, authentication, timestamps, hosts, segments and messages."""

from __future__ import annotations

import io
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from cassandra import UnresolvableContactPoints, cqltypes
from cassandra.auth import PlainTextAuthProvider, SaslAuthProvider, TransitionalModePlainTextAuthProvider
from cassandra.connection import (
    ConnectionException,
    DefaultEndPoint,
    DefaultEndPointFactory,
    SniEndPoint,
    SniEndPointFactory,
    UnixSocketEndPoint,
)
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host
from cassandra.protocol import (
    ErrorMessage,
    ExecuteMessage,
    ProtocolHandler,
    QueryMessage,
    ResultMessage,
    UnavailableErrorMessage,
)
from cassandra.query import UNSET_VALUE
from cassandra.segment import CrcException, SegmentCodec, compute_crc24
from cassandra.timestamps import MonotonicTimestampGenerator


def test_endpoints_are_values() -> None:
    assert DefaultEndPoint("a", 1) == DefaultEndPoint("a", 1)
    assert len({DefaultEndPoint("a"), DefaultEndPoint("a", 9042), DefaultEndPoint("b")}) == 2
    assert DefaultEndPoint("a") < DefaultEndPoint("b")
    assert str(DefaultEndPoint("a")) == "a:9042"
    assert str(SniEndPoint("proxy", "node", 1)) == "proxy:1:node"
    assert UnixSocketEndPoint("/tmp/s").resolve() == ("/tmp/s", None)


def test_a_proxy_that_does_not_resolve_is_an_error() -> None:
    with pytest.raises(UnresolvableContactPoints, match=r"nohost\.invalid"):
        SniEndPoint("nohost.invalid", "node").resolve()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"rpc_address": "1.1.1.1"}, "1.1.1.1:9042"),
        ({"rpc_address": "0.0.0.0", "peer": "2.2.2.2"}, "2.2.2.2:9042"),
        ({"rpc_address": None, "peer": "2.2.2.2"}, "2.2.2.2:9042"),
        ({"native_address": "3.3.3.3", "native_port": 1}, "3.3.3.3:1"),
        ({"native_transport_address": "4.4.4.4", "rpc_address": "1.1.1.1"}, "4.4.4.4:9042"),
    ],
)
def test_the_endpoint_of_a_row_is_where_clients_connect(row: dict[str, Any], expected: str) -> None:
    assert str(DefaultEndPointFactory().create(row)) == expected


def test_addresses_are_translated() -> None:
    translator = SimpleNamespace(translate=lambda address: f"public-{address}")
    factory = DefaultEndPointFactory(7).configure(SimpleNamespace(address_translator=translator))
    assert str(factory.create({"rpc_address": "1.1.1.1"})) == "public-1.1.1.1:7"


def test_an_sni_endpoint_needs_a_host_id() -> None:
    factory = SniEndPointFactory("proxy", 1)
    assert str(factory.create({"host_id": "id"})) == "proxy:1:id"
    with pytest.raises(ValueError, match="host_id"):
        factory.create({})


def test_a_connection_exception_knows_its_node() -> None:
    assert ConnectionException("lost", DefaultEndPoint("a")).host == "a"


def test_plain_text_authentication_answers_with_name_and_password() -> None:
    authenticator = PlainTextAuthProvider("user", "pass").new_authenticator("127.0.0.1")
    assert authenticator.initial_response() == b"\0user\0pass"
    authenticator.server_authenticator_class = "com.datastax.bdp.cassandra.auth.DseAuthenticator"
    assert authenticator.initial_response() == b"PLAIN"
    assert authenticator.evaluate_challenge(b"PLAIN-START") == b"\0user\0pass"
    assert TransitionalModePlainTextAuthProvider().new_authenticator("h").initial_response() == b"\0\0"


def test_sasl_without_its_library_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="puresasl"):
        SaslAuthProvider(service="dse")
    with pytest.raises(ValueError, match="host"):
        SaslAuthProvider(host="x")


def test_timestamps_only_grow(caplog: pytest.LogCaptureFixture) -> None:
    generator = MonotonicTimestampGenerator(warning_threshold=0)
    assert generator._next_timestamp(5, 0) == 5
    assert generator._next_timestamp(5, 5) == 6
    generator.last = 2**62
    with caplog.at_level(logging.WARNING):
        assert generator() == 2**62 + 1
    assert "clock" in caplog.text


def test_a_host_is_its_endpoint() -> None:
    host = Host("127.0.0.1", SimpleConvictionPolicy, "dc1")
    assert host == Host(DefaultEndPoint("127.0.0.1"), SimpleConvictionPolicy)
    assert repr(host) == "<Host: 127.0.0.1:9042 dc1>"
    assert host.is_up is None
    host.set_up()
    assert host.is_up
    assert host.signal_connection_failure(OSError())
    with pytest.raises(ValueError, match="endpoint"):
        Host(None, SimpleConvictionPolicy)  # type: ignore[arg-type]


# v5 §2.3, from the examples of the header checksums
def test_the_checksum_of_a_header_is_the_server_s() -> None:
    assert compute_crc24(int.from_bytes(bytes.fromhex("090002"), "little"), 3) == 0xC1C8A4


def test_segments_go_there_and_back_and_damage_is_seen() -> None:
    codec = SegmentCodec()
    buffer = io.BytesIO()
    codec.encode(buffer, b"x" * 200_000)
    buffer.seek(0)
    headers, payload = [], b""
    while buffer.tell() < len(buffer.getvalue()):
        header = codec.decode_header(buffer)
        headers.append(header)
        payload += codec.decode(buffer, header).payload
    assert payload == b"x" * 200_000
    assert [header.is_self_contained for header in headers] == [False, False]
    damaged = bytearray(buffer.getvalue())
    damaged[1] ^= 1
    with pytest.raises(CrcException):
        codec.decode_header(io.BytesIO(bytes(damaged)))


# v4 §4.1.4: QUERY "x", consistency ONE, page size 5000, timestamp 1
def test_a_query_is_encoded_by_the_protocol() -> None:
    message = QueryMessage("x", 1, fetch_size=5000, timestamp=1)
    encoded = ProtocolHandler.encode_message(message, 3, 4, None, False)
    assert encoded.hex() == "040000030700000014" + "0000000178" + "0001" + "24" + "00001388" + "0000000000000001"


def test_values_of_execute_may_be_null_or_unset() -> None:
    message = ExecuteMessage(b"\x01", [b"a", None, UNSET_VALUE], 1)
    encoded = ProtocolHandler.encode_message(message, 0, 4, None, False)
    assert encoded[9:].hex() == "000101" + "0001" + "01" + "0003" + "0000000161" + "ffffffff" + "fffffffe"


# v4 §4.2.5.2: one int column "c" of ks.t, rows 7 and null
ROWS = (
    "00000002"
    + "00000001"
    + "00000001"
    + "00026b73"
    + "000174"
    + "000163"
    + "0009"
    + "00000002"
    + "0000000400000007"
    + "ffffffff"
)


def test_rows_are_decoded() -> None:
    message = ProtocolHandler.decode_message(4, {}, 0, 0, 0x08, bytes.fromhex(ROWS), None, None)
    assert isinstance(message, ResultMessage)
    assert message.column_names == ["c"]
    assert message.column_types == [cqltypes.Int32Type]
    assert message.parsed_rows == [(7,), (None,)]


@pytest.mark.parametrize("length", range(4, len(ROWS) // 2))
def test_rows_that_are_cut_short_are_an_error(length: int) -> None:
    with pytest.raises(Exception, match=r"."):
        ProtocolHandler.decode_message(4, {}, 0, 0, 0x08, bytes.fromhex(ROWS)[:length], None, None)


def test_errors_become_the_package_s_exceptions() -> None:
    body = bytes.fromhex("00001000" + "00026e6f" + "0004" + "00000003" + "00000002")
    message = ProtocolHandler.decode_message(4, {}, 0, 0, 0x00, body, None, None)
    assert isinstance(message, UnavailableErrorMessage)
    error = message.to_exception()
    assert (error.required_replicas, error.alive_replicas) == (3, 2)  # type: ignore[attr-defined]
    unknown = ProtocolHandler.decode_message(4, {}, 0, 0, 0x00, bytes.fromhex("00009999" + "000178"), None, None)
    assert type(unknown) is ErrorMessage
    assert unknown.code == 0x9999
