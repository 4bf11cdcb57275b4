"""Authentication: SASL exchanges with the server (native protocol §4.1.2, §4.2.3 to §4.2.7).

An :class:`AuthProvider` is asked for a new :class:`Authenticator` for each connection; the authenticator answers the
challenges of that connection. Both may be subclassed. Credentials travel as they are given: use TLS.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

log = logging.getLogger(__name__)

_DSE_AUTHENTICATOR = "com.datastax.bdp.cassandra.auth.DseAuthenticator"


def _sasl_client(*args: Any, **kwargs: Any) -> Any:
    """Make a client of the ``pure-sasl`` library, which is imported only when it is used."""
    try:
        from puresasl.client import SASLClient  # type: ignore[import-not-found]
    except ImportError:
        raise ImportError("The puresasl library has not been installed") from None
    return SASLClient(*args, **kwargs)


class AuthProvider:
    """Makes an authenticator for each connection."""

    def new_authenticator(self, host: str) -> Authenticator:
        """Give the authenticator of a new connection to the node with address *host*."""
        raise NotImplementedError()


class Authenticator:
    """Answers the server's challenges on one connection."""

    server_authenticator_class: str | None = None
    """The class name that the server gave in AUTHENTICATE; set before :meth:`initial_response` is called."""

    def initial_response(self) -> bytes | None:
        """Give the first token to send, ``None`` for none."""
        return None

    def evaluate_challenge(self, challenge: bytes | None) -> bytes | None:
        """Give the token that answers *challenge*, ``None`` for none."""
        raise NotImplementedError()

    def on_authentication_success(self, token: bytes | None) -> None:
        """Take the server's last token, sent with the news that authentication has succeeded."""


class PlainTextAuthProvider(AuthProvider):
    """Authenticates with user name and password: the server's ``PasswordAuthenticator``, Astra, and DSE.

    For example ``Cluster(auth_provider=PlainTextAuthProvider(username="cassandra", password="cassandra"))``.
    """

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def new_authenticator(self, host: str) -> Authenticator:
        return PlainTextAuthenticator(self.username, self.password)


class BaseDSEAuthenticator(Authenticator):
    """Names its mechanism first where the server is DSE's unified authenticator, which offers several."""

    def get_mechanism(self) -> bytes:
        """Give the name of the mechanism."""
        raise NotImplementedError("get_mechanism not implemented")

    def get_initial_challenge(self) -> bytes:
        """Give the challenge by which the server asks for the first token of the mechanism."""
        raise NotImplementedError("get_initial_challenge not implemented")

    def initial_response(self) -> bytes | None:
        if self.server_authenticator_class == _DSE_AUTHENTICATOR:
            return self.get_mechanism()
        return self.evaluate_challenge(self.get_initial_challenge())


class PlainTextAuthenticator(BaseDSEAuthenticator):
    """The mechanism PLAIN (RFC 4616) without an authorization identity."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def get_mechanism(self) -> bytes:
        return b"PLAIN"

    def get_initial_challenge(self) -> bytes:
        return b"PLAIN-START"

    def evaluate_challenge(self, challenge: bytes | None) -> bytes | None:
        if challenge == b"PLAIN-START":
            return f"\x00{self.username}\x00{self.password}".encode()
        raise Exception("Did not receive a valid challenge response from server")


DSEPlainTextAuthProvider = PlainTextAuthProvider
"""The old name of the provider for DSE; both servers are served by the one."""


class SaslAuthProvider(AuthProvider):
    """Authenticates with any mechanism of the ``pure-sasl`` library.

    :param sasl_kwargs: what ``puresasl.client.SASLClient`` takes, but ``host``.
    """

    def __init__(self, **sasl_kwargs: Any) -> None:
        """:raises ImportError: the library is not installed. :raises ValueError: ``host`` is among the arguments."""
        if "host" in sasl_kwargs:
            raise ValueError("kwargs should not contain 'host' since it is passed dynamically to new_authenticator")
        _require_sasl()
        self.sasl_kwargs = sasl_kwargs

    def new_authenticator(self, host: str) -> Authenticator:
        return SaslAuthenticator(host, **self.sasl_kwargs)


class SaslAuthenticator(Authenticator):
    """Hands the challenges of one connection to a client of the ``pure-sasl`` library."""

    def __init__(self, host: str, service: str, mechanism: str = "GSSAPI", **sasl_kwargs: Any) -> None:
        """:raises ImportError: the library is not installed."""
        self.sasl = _sasl_client(host, service, mechanism, **sasl_kwargs)

    def initial_response(self) -> bytes | None:
        return self.sasl.process()  # type: ignore[no-any-return]

    def evaluate_challenge(self, challenge: bytes | None) -> bytes | None:
        return self.sasl.process(challenge)  # type: ignore[no-any-return]


class DSEGSSAPIAuthProvider(AuthProvider):
    """Authenticates with Kerberos against DSE.

    :param service: first part of the server's principal.
    :param qops: qualities of protection that are accepted.
    :param resolve_host_name: take the node's name by reverse lookup of its address for the principal.
    :param properties: further arguments of ``puresasl.client.SASLClient``.
    """

    def __init__(
        self,
        service: str = "dse",
        qops: Iterable[str] = ("auth",),
        resolve_host_name: bool = True,
        **properties: Any,
    ) -> None:
        """:raises ImportError: ``pure-sasl`` is not installed."""
        _require_sasl()
        self.service = service
        self.qops = qops
        self.resolve_host_name = resolve_host_name
        self.properties = properties

    def new_authenticator(self, host: str) -> Authenticator:
        if self.resolve_host_name:
            import socket

            host = socket.getnameinfo((host, 0), 0)[0]
        return GSSAPIAuthenticator(host, self.service, self.qops, self.properties)


class GSSAPIAuthenticator(BaseDSEAuthenticator):
    """The mechanism GSSAPI (RFC 4752) by the ``pure-sasl`` library."""

    def __init__(self, host: str, service: str, qops: Iterable[str], properties: dict[str, Any]) -> None:
        """:raises ImportError: the library is not installed."""
        self.sasl = _sasl_client(host, service, "GSSAPI", qops=qops, **properties)

    def get_mechanism(self) -> bytes:
        return b"GSSAPI"

    def get_initial_challenge(self) -> bytes:
        return b"GSSAPI-START"

    def evaluate_challenge(self, challenge: bytes | None) -> bytes | None:
        if challenge == b"GSSAPI-START":
            return self.sasl.process()  # type: ignore[no-any-return]
        return self.sasl.process(challenge)  # type: ignore[no-any-return]


class TransitionalModePlainTextAuthProvider:
    """For DSE in transitional mode: authenticates as anonymous, with an empty name and password."""

    def new_authenticator(self, host: str) -> Authenticator:
        """Give the authenticator of a new connection to the node with address *host*."""
        return TransitionalModePlainTextAuthenticator()


class TransitionalModePlainTextAuthenticator(PlainTextAuthenticator):
    """PLAIN with an empty name and password."""

    def __init__(self) -> None:
        super().__init__("", "")


def _require_sasl() -> None:
    from importlib.util import find_spec

    if find_spec("puresasl") is None:
        raise ImportError("The puresasl library has not been installed")
