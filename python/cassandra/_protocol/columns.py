"""Protocol handlers whose pages are no lists of rows: columns as NumPy arrays, and rows one at a time.

A session that has one of these as its ``client_protocol_handler`` gets its pages from the core, made straight from the
bytes; :meth:`decode_message` gives the same for a body in hand. ``cassandra.protocol`` is the public address.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from cassandra import DriverException, _core
from cassandra._protocol import MODULE
from cassandra._protocol.handler import ProtocolHandler, _ProtocolHandler
from cassandra._protocol.notation import read_int
from cassandra._protocol.results import ResultMessage
from cassandra.cython_deps import HAVE_NUMPY


class ColumnParser(Protocol):
    """Makes what a protocol handler gives for the rows of a page."""

    def parse_rows(self, reader: Any, columns: Any, protocol_version: int, user_type_map: Any) -> Any:
        """Read the number of rows and the rows from *reader*; *columns* are (keyspace, table, name, type) tuples."""


class NativeParser:
    """Has the core make pages of one form."""

    def __init__(self, form: str) -> None:
        self.form = form
        """The form's name, as the core knows it."""

    def parse_rows(self, reader: Any, columns: Any, protocol_version: int, user_type_map: Any) -> Any:
        """Read the rows.

        :raises DriverException: a value cannot be read; the message names the column.
        """
        row_count = read_int(reader)
        described = [(name, kind.cass_parameterized_type(full=True)) for _, _, name, kind in columns]
        return _core.decode_page(described, reader.read(), row_count, self.form, protocol_version, user_type_map or {})


class ParsingResultMessage(ResultMessage):
    """RESULT whose rows are left to a column parser."""

    __module__ = MODULE
    column_parser: ClassVar[ColumnParser]

    def recv_results_rows(
        self, f: Any, protocol_version: int, user_type_map: Any, result_metadata: Any, column_encryption_policy: Any
    ) -> None:
        """Read the columns, and have the column parser read the rows."""
        if column_encryption_policy is not None:
            raise DriverException("encrypted columns are decoded by ProtocolHandler alone")
        self.recv_results_metadata(f, user_type_map)
        columns = self.column_metadata or result_metadata or []
        self.column_names = [column[2] for column in columns]
        self.column_types = [column[3] for column in columns]
        self.parsed_rows = self.column_parser.parse_rows(f, columns, protocol_version, user_type_map)


def cython_protocol_handler(colparser: ColumnParser) -> type[_ProtocolHandler]:
    """Make a handler whose rows *colparser* reads."""
    result_message = type("FastResultMessage", (ParsingResultMessage,), {"column_parser": colparser})
    members = {
        "__doc__": "A handler whose rows a column parser reads.",
        "__module__": MODULE,
        "col_parser": colparser,
        "message_types_by_opcode": {
            **_ProtocolHandler.message_types_by_opcode,
            ResultMessage.opcode: result_message,
        },
    }
    return type("CythonProtocolHandler", (_ProtocolHandler,), members)


cython_protocol_handler.__module__ = MODULE


def _handler(name: str, form: str, description: str) -> type[_ProtocolHandler]:
    handler = cython_protocol_handler(NativeParser(form))
    handler.__name__ = handler.__qualname__ = name
    handler.__doc__ = description
    return handler


LazyProtocolHandler = _handler(
    "LazyProtocolHandler",
    "lazy",
    "A page is an iterator that decodes a row when it is asked for it. To be used with ``tuple_factory``.",
)
NumpyProtocolHandler: type[_ProtocolHandler] | None = None
"""``None`` where NumPy is not installed."""
NumpyColumnsProtocolHandler: type[_ProtocolHandler] | None = None
"""``None`` where NumPy is not installed."""

if HAVE_NUMPY:
    NumpyProtocolHandler = _handler(
        "NumpyProtocolHandler",
        "numpy",
        "A page is a dictionary of NumPy arrays by column name: numbers of 2, 4 and 8 bytes as masked arrays of them, "
        "all else as objects. To be used with ``tuple_factory``.",
    )
    NumpyColumnsProtocolHandler = _handler(
        "NumpyColumnsProtocolHandler",
        "numpy columns",
        "As ``NumpyProtocolHandler``, and every other type of a fixed size is stored as NumPy stores it: ``tinyint``, "
        "``boolean``, ``timestamp`` and ``date`` as ``datetime64``, ``time`` as ``timedelta64``, and vectors of these "
        "as one array with a row for each.",
    )


def page_form(handler: Any) -> str | None:
    """Name the form of the pages that *handler* gives, ``"python"`` if only itself knows how to decode them.

    ``None`` if it does more than to decode results in its own way.
    """
    if handler is ProtocolHandler or handler is _ProtocolHandler:
        return "rows"
    if not (isinstance(handler, type) and issubclass(handler, _ProtocolHandler)):
        return None
    if not _is_inherited(handler, "encode_message"):
        return None
    messages = dict(handler.message_types_by_opcode)
    result_message = messages.pop(ResultMessage.opcode, None)
    if any(_ProtocolHandler.message_types_by_opcode.get(opcode) is not kind for opcode, kind in messages.items()):
        return None
    if not _is_inherited(handler, "decode_message") or handler.column_encryption_policy is not None:
        return "python"
    if result_message is ResultMessage:
        return "rows"
    if isinstance(result_message, type) and result_message.__bases__ == (ParsingResultMessage,):
        parser = vars(result_message).get("column_parser")
        if type(parser) is NativeParser and "type_codes" not in vars(result_message):
            return parser.form
    return "python"


def _is_inherited(handler: type[_ProtocolHandler], method: str) -> bool:
    known = getattr(_ProtocolHandler, method)
    return getattr(getattr(handler, method), "__func__", None) is known.__func__


def decode_with_handler(
    handler: type[_ProtocolHandler], protocol_version: int, user_type_map: Any, body: bytes, row_factory: Any
) -> Any:
    """Have a handler of the program's own decode the *body* of a result, and *row_factory* make rows of that."""
    message = handler.decode_message(protocol_version, user_type_map, 0, 0, ResultMessage.opcode, body, None, None)
    return row_factory(message.column_names, message.parsed_rows)
