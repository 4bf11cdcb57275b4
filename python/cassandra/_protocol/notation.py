"""The notations of the native protocol (v4 §3, v5 §3) on file-like objects: ``f.read(n)`` and ``f.write(bytes)``.

Reading past the end raises :class:`struct.error` for numbers; strings that are cut short raise :class:`ValueError`.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

from cassandra import ProtocolVersion
from cassandra._protocol import MODULE
from cassandra.marshal import (
    int8_unpack,
    int32_pack,
    int32_unpack,
    uint8_pack,
    uint16_pack,
    uint16_unpack,
    uint32_pack,
    uint64_pack,
)
from cassandra.query import UNSET_VALUE

_NULL = int32_pack(-1)
_UNSET = int32_pack(-2)


def _read_exactly(f: Any, size: int) -> bytes:
    content: bytes = f.read(size)
    if len(content) != size:
        raise ValueError(f"a value of {size} bytes ends after {len(content)}")
    return content


def read_byte(f: Any) -> int:
    """Read a signed [byte]."""
    return int(int8_unpack(f.read(1)))


def write_byte(f: Any, b: int) -> None:
    """Write a [byte]."""
    f.write(uint8_pack(b & 0xFF))


def read_int(f: Any) -> int:
    """Read an [int]."""
    return int(int32_unpack(f.read(4)))


def write_int(f: Any, i: int) -> None:
    """Write an [int]."""
    f.write(int32_pack(i))


def write_uint(f: Any, i: int) -> None:
    """Write an unsigned number of 4 bytes."""
    f.write(uint32_pack(i))


def read_uint_le(f: Any, size: int = 4) -> int:
    """Read an unsigned little-endian number of *size* bytes."""
    return int.from_bytes(_read_exactly(f, size), "little")


def write_uint_le(f: Any, i: int, size: int = 4) -> None:
    """Write an unsigned little-endian number of *size* bytes."""
    f.write(i.to_bytes(size, "little"))


def write_long(f: Any, i: int) -> None:
    """Write a [long]."""
    f.write(uint64_pack(i & 0xFFFF_FFFF_FFFF_FFFF))


def read_short(f: Any) -> int:
    """Read a [short]."""
    return int(uint16_unpack(f.read(2)))


def write_short(f: Any, s: int) -> None:
    """Write a [short]."""
    f.write(uint16_pack(s))


def read_consistency_level(f: Any) -> int:
    """Read a [consistency]."""
    return read_short(f)


def write_consistency_level(f: Any, cl: int) -> None:
    """Write a [consistency]."""
    write_short(f, cl)


def read_string(f: Any) -> str:
    """Read a [string]."""
    return read_binary_string(f).decode("utf8")


def read_binary_string(f: Any) -> bytes:
    """Read a [short bytes]."""
    return _read_exactly(f, read_short(f))


def write_string(f: Any, s: str | bytes) -> None:
    """Write a [string] or, of bytes, a [short bytes]."""
    content = s.encode("utf8") if isinstance(s, str) else s
    write_short(f, len(content))
    f.write(content)


def read_binary_longstring(f: Any) -> bytes:
    """Read bytes after their length as [int]."""
    return _read_exactly(f, read_int(f))


def read_longstring(f: Any) -> str:
    """Read a [long string]."""
    return read_binary_longstring(f).decode("utf8")


def write_longstring(f: Any, s: str | bytes) -> None:
    """Write a [long string] or, of bytes, a [bytes]."""
    content = s.encode("utf8") if isinstance(s, str) else s
    write_int(f, len(content))
    f.write(content)


def read_stringlist(f: Any) -> list[str]:
    """Read a [string list]."""
    return [read_string(f) for _ in range(read_short(f))]


def write_stringlist(f: Any, stringlist: Sequence[str]) -> None:
    """Write a [string list]."""
    write_short(f, len(stringlist))
    for item in stringlist:
        write_string(f, item)


def read_stringmap(f: Any) -> dict[str, str]:
    """Read a [string map]."""
    return {read_string(f): read_string(f) for _ in range(read_short(f))}


def write_stringmap(f: Any, strmap: Mapping[str, str]) -> None:
    """Write a [string map]."""
    write_short(f, len(strmap))
    for name, value in strmap.items():
        write_string(f, name)
        write_string(f, value)


def read_stringmultimap(f: Any) -> dict[str, list[str]]:
    """Read a [string multimap]."""
    return {read_string(f): read_stringlist(f) for _ in range(read_short(f))}


def write_stringmultimap(f: Any, strmmap: Mapping[str, Sequence[str]]) -> None:
    """Write a [string multimap]."""
    write_short(f, len(strmmap))
    for name, values in strmmap.items():
        write_string(f, name)
        write_stringlist(f, values)


def read_error_code_map(f: Any) -> dict[str, int]:
    """Read the reasons of failed replicas by address (v5 §9, Read_failure)."""
    return {read_inet_addr_only(f): read_short(f) for _ in range(read_int(f))}


def read_bytesmap(f: Any) -> dict[str, bytes | None]:
    """Read a [bytes map]."""
    return {read_string(f): read_value(f) for _ in range(read_short(f))}


def write_bytesmap(f: Any, bytesmap: Mapping[str, bytes]) -> None:
    """Write a [bytes map]."""
    write_short(f, len(bytesmap))
    for name, value in bytesmap.items():
        write_string(f, name)
        write_value(f, value)


def read_value(f: Any) -> bytes | None:
    """Read a [bytes] or [value]; ``None`` for null."""
    size = read_int(f)
    return None if size < 0 else _read_exactly(f, size)


def write_value(f: Any, v: Any) -> None:
    """Write a [value]; null for ``None``, unset for ``UNSET_VALUE``."""
    if v is None:
        f.write(_NULL)
    elif v is UNSET_VALUE:
        f.write(_UNSET)
    else:
        write_int(f, len(v))
        f.write(v)


def read_inet_addr_only(f: Any) -> str:
    """Read an [inetaddr].

    :raises InternalError: an address has neither 4 nor 16 bytes.
    """
    from cassandra._protocol.errors import InternalError

    size = read_byte(f)
    content = f.read(size)
    if size == 4:
        family = socket.AF_INET
    elif size == 16:
        family = socket.AF_INET6
    else:
        raise InternalError(f"bad inet address: {content!r}")
    return socket.inet_ntop(family, content)


def read_inet(f: Any) -> tuple[str, int]:
    """Read an [inet]."""
    address = read_inet_addr_only(f)
    return address, read_int(f)


def write_inet(f: Any, addrtuple: tuple[str, int]) -> None:
    """Write an [inet]."""
    address, port = addrtuple
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    content = socket.inet_pton(family, address)
    write_byte(f, len(content))
    f.write(content)
    write_int(f, port)


def write_flags(f: Any, flags: int, protocol_version: int) -> None:
    """Write the flags of QUERY, EXECUTE and BATCH: a [byte] up to v4, an [int] from v5 on."""
    if ProtocolVersion.uses_int_query_flags(protocol_version):
        write_uint(f, flags)
    else:
        write_byte(f, flags)


for _name, _function in list(globals().items()):
    if _name.startswith(("read_", "write_")):
        _function.__module__ = MODULE
del _name, _function
