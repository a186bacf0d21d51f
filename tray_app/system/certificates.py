"""TLS with the certificates that the machine trusts, so that a company's proxy works. Any thread."""

from __future__ import annotations

import ssl

import truststore


def system_trust() -> ssl.SSLContext:
    """The context for a client's connections."""
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
