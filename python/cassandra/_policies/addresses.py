"""Address translation: from the address that a node announces to the one that reaches it from here."""

from __future__ import annotations

from cassandra._policies import MODULE


class AddressTranslator:
    """Base of translators; asked about the address of every peer."""

    __module__ = MODULE

    def translate(self, addr: str) -> str:
        """Give the address to connect to for a node that announces *addr*."""
        raise NotImplementedError()


class IdentityTranslator(AddressTranslator):
    """Changes nothing."""

    __module__ = MODULE

    def translate(self, addr: str) -> str:
        return addr


class EC2MultiRegionTranslator(AddressTranslator):
    """Gives private addresses inside one's own EC2 region and public ones of other regions.

    By the name of the public address, which EC2's own name servers answer that way.
    """

    __module__ = MODULE

    def translate(self, addr: str) -> str:
        import socket

        name = socket.getfqdn(addr)
        return str(socket.getaddrinfo(name, None, socket.AF_UNSPEC, socket.SOCK_STREAM)[0][4][0])
