"""ERROR messages, by code, and the exceptions that they become (native protocol v5 §9).

An error message is an exception itself; :meth:`ErrorMessage.to_exception` gives the one of :mod:`cassandra` where the
error has one. An unknown code is carried in :class:`ErrorMessage`, not rejected.
"""

from __future__ import annotations

from typing import Any

from cassandra import (
    AlreadyExists,
    FunctionFailure,
    InvalidRequest,
    ProtocolVersion,
    ReadFailure,
    ReadTimeout,
    Unauthorized,
    Unavailable,
    WriteFailure,
    WriteTimeout,
    WriteType,
)
from cassandra._protocol import MODULE
from cassandra._protocol.messages import _MessageType, _RegisterMessageType
from cassandra._protocol.notation import (
    read_binary_string,
    read_byte,
    read_consistency_level,
    read_error_code_map,
    read_int,
    read_string,
    read_stringlist,
)

error_classes: dict[int, Any] = {}
"""The classes of error messages by code."""


class NotSupportedError(Exception):
    """The server has answered what this protocol version does not have."""

    __module__ = MODULE


class InternalError(Exception):
    """The server has answered what cannot be read."""

    __module__ = MODULE


class ErrorMessage(_MessageType, Exception):
    """ERROR: the request has failed."""

    __module__ = MODULE
    opcode = 0x00
    name = "ERROR"
    summary = "Unknown"

    def __init__(self, code: int, message: str, info: Any) -> None:
        self.code = code
        self.message = message
        self.info = info

    @classmethod
    def recv_body(cls, f: Any, protocol_version: int, *args: Any) -> ErrorMessage:
        """Read the body."""
        code = read_int(f)
        message = read_string(f)
        subcls = error_classes.get(code, cls)
        made: ErrorMessage = subcls(code=code, message=message, info=subcls.recv_error_info(f, protocol_version))
        return made

    def summary_msg(self) -> str:
        """Give the message with its code and what the code means."""
        return f'Error from server: code={self.code:04x} [{self.summary}] message="{self.message}"'

    def __str__(self) -> str:
        return f"<{self.summary_msg()}>"

    __repr__ = __str__

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> Any:
        """Read what follows the message of an error of this code."""

    def to_exception(self) -> BaseException:
        """Give the exception that is raised for it."""
        return self


class ErrorMessageSubclass(_RegisterMessageType):
    """Registers each class of error message by its code."""

    __module__ = MODULE

    def __init__(self, name: str, bases: tuple[type, ...], dct: dict[str, Any]) -> None:
        type.__init__(self, name, bases, dct)
        code = getattr(self, "error_code", None)
        if code is not None:
            error_classes[code] = self


class ErrorMessageSub(ErrorMessage, metaclass=ErrorMessageSubclass):
    """Base of the error messages with a known code."""

    __module__ = MODULE
    error_code: int | None = None


class RequestExecutionException(ErrorMessageSub):
    """Base of the errors of running a request."""

    __module__ = MODULE


class RequestValidationException(ErrorMessageSub):
    """Base of the errors of what a request says."""

    __module__ = MODULE


class ServerError(ErrorMessageSub):
    """The server has failed, by its own fault."""

    __module__ = MODULE
    summary = "Server error"
    error_code = 0x0000


class ProtocolException(ErrorMessageSub):
    """The server could not make sense of a message."""

    __module__ = MODULE
    summary = "Protocol error"
    error_code = 0x000A

    @property
    def is_beta_protocol_error(self) -> bool:
        """Whether the protocol version is a beta that was not asked for as one."""
        return "USE_BETA flag is unset" in str(self)


class BadCredentials(ErrorMessageSub):
    """Authentication has failed."""

    __module__ = MODULE
    summary = "Bad credentials"
    error_code = 0x0100


class UnavailableErrorMessage(RequestExecutionException):
    """Too few replicas are alive."""

    __module__ = MODULE
    summary = "Unavailable exception"
    error_code = 0x1000

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> dict[str, Any]:
        return {
            "consistency": read_consistency_level(f),
            "required_replicas": read_int(f),
            "alive_replicas": read_int(f),
        }

    def to_exception(self) -> BaseException:
        return Unavailable(self.summary_msg(), **self.info)


class OverloadedErrorMessage(RequestExecutionException):
    """The coordinator has too much to do."""

    __module__ = MODULE
    summary = "Coordinator node overloaded"
    error_code = 0x1001


class IsBootstrappingErrorMessage(RequestExecutionException):
    """The coordinator is not in the cluster yet."""

    __module__ = MODULE
    summary = "Coordinator node is bootstrapping"
    error_code = 0x1002


class TruncateError(RequestExecutionException):
    """A table could not be truncated."""

    __module__ = MODULE
    summary = "Error during truncate"
    error_code = 0x1003


class WriteTimeoutErrorMessage(RequestExecutionException):
    """Replicas did not answer a write in time."""

    __module__ = MODULE
    summary = "Coordinator node timed out waiting for replica nodes' responses"
    error_code = 0x1100

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> dict[str, Any]:
        return {
            "consistency": read_consistency_level(f),
            "received_responses": read_int(f),
            "required_responses": read_int(f),
            "write_type": WriteType.name_to_value[read_string(f)],
        }

    def to_exception(self) -> BaseException:
        return WriteTimeout(self.summary_msg(), **self.info)


class ReadTimeoutErrorMessage(RequestExecutionException):
    """Replicas did not answer a read in time."""

    __module__ = MODULE
    summary = "Coordinator node timed out waiting for replica nodes' responses"
    error_code = 0x1200

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> dict[str, Any]:
        return {
            "consistency": read_consistency_level(f),
            "received_responses": read_int(f),
            "required_responses": read_int(f),
            "data_retrieved": bool(read_byte(f)),
        }

    def to_exception(self) -> BaseException:
        return ReadTimeout(self.summary_msg(), **self.info)


def _read_failures(f: Any, protocol_version: int) -> tuple[int, dict[str, int] | None]:
    """Read how many replicas failed and, where the protocol says it, why each did."""
    if ProtocolVersion.uses_error_code_map(protocol_version):
        error_code_map = read_error_code_map(f)
        return len(error_code_map), error_code_map
    return read_int(f), None


class ReadFailureMessage(RequestExecutionException):
    """Replicas answered a read with errors."""

    __module__ = MODULE
    summary = "Replica(s) failed to execute read"
    error_code = 0x1300

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> dict[str, Any]:
        consistency = read_consistency_level(f)
        received_responses = read_int(f)
        required_responses = read_int(f)
        failures, error_code_map = _read_failures(f, protocol_version)
        return {
            "consistency": consistency,
            "received_responses": received_responses,
            "required_responses": required_responses,
            "failures": failures,
            "error_code_map": error_code_map,
            "data_retrieved": bool(read_byte(f)),
        }

    def to_exception(self) -> BaseException:
        return ReadFailure(self.summary_msg(), **self.info)


class FunctionFailureMessage(RequestExecutionException):
    """A user-defined function raised."""

    __module__ = MODULE
    summary = "User Defined Function failure"
    error_code = 0x1400

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> dict[str, Any]:
        return {"keyspace": read_string(f), "function": read_string(f), "arg_types": read_stringlist(f)}

    def to_exception(self) -> BaseException:
        return FunctionFailure(self.summary_msg(), **self.info)


class WriteFailureMessage(RequestExecutionException):
    """Replicas answered a write with errors."""

    __module__ = MODULE
    summary = "Replica(s) failed to execute write"
    error_code = 0x1500

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> dict[str, Any]:
        consistency = read_consistency_level(f)
        received_responses = read_int(f)
        required_responses = read_int(f)
        failures, error_code_map = _read_failures(f, protocol_version)
        return {
            "consistency": consistency,
            "received_responses": received_responses,
            "required_responses": required_responses,
            "failures": failures,
            "error_code_map": error_code_map,
            "write_type": WriteType.name_to_value[read_string(f)],
        }

    def to_exception(self) -> BaseException:
        return WriteFailure(self.summary_msg(), **self.info)


class CDCWriteException(RequestExecutionException):
    """No space is left for change data capture."""

    __module__ = MODULE
    summary = "Failed to execute write due to CDC space exhaustion."
    error_code = 0x1600


class SyntaxException(RequestValidationException):
    """The statement has a syntax error."""

    __module__ = MODULE
    summary = "Syntax error in CQL query"
    error_code = 0x2000


class UnauthorizedErrorMessage(RequestValidationException):
    """The role has no permission."""

    __module__ = MODULE
    summary = "Unauthorized"
    error_code = 0x2100

    def to_exception(self) -> BaseException:
        return Unauthorized(self.summary_msg())


class InvalidRequestException(RequestValidationException):
    """The statement is well formed and wrong."""

    __module__ = MODULE
    summary = "Invalid query"
    error_code = 0x2200

    def to_exception(self) -> BaseException:
        return InvalidRequest(self.summary_msg())


class ConfigurationException(RequestValidationException):
    """A schema statement was refused for what it configures."""

    __module__ = MODULE
    summary = "Query invalid because of configuration issue"
    error_code = 0x2300


class PreparedQueryNotFound(RequestValidationException):
    """The node does not know the prepared statement; :attr:`info` is its id."""

    __module__ = MODULE
    summary = "Matching prepared statement not found on this node"
    error_code = 0x2500

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> bytes:
        return read_binary_string(f)


class AlreadyExistsException(ConfigurationException):
    """A keyspace or table is there already."""

    __module__ = MODULE
    summary = "Item already exists"
    error_code = 0x2400

    @staticmethod
    def recv_error_info(f: Any, protocol_version: int) -> dict[str, str]:
        return {"keyspace": read_string(f), "table": read_string(f)}

    def to_exception(self) -> BaseException:
        return AlreadyExists(**self.info)


class ClientWriteError(RequestExecutionException):
    """DSE could not write an answer."""

    __module__ = MODULE
    summary = "Client write failure."
    error_code = 0x8000
