"""The secrets of a home, made at first start: a file a setting, in the folder of the deployable that reads it."""

import base64
import json
import secrets
from collections.abc import Mapping

from lodge_local.home import Home, write_secret
from lodge_local.suite import GATEWAY, SERVICES, Deployable


def make(home: Home) -> None:
    """Make what is missing: the services' sealing and audit keys, the gateway's signing key."""
    for service in SERVICES:
        home.kept(service.name, "lodge_sealing_keys", _fernet_key)
        home.kept(service.name, "lodge_audit_key", lambda: secrets.token_urlsafe(32))
    home.kept(GATEWAY.name, "lodge_gateway_signing_key", _signing_key)


def write_urls(home: Home, urls: Mapping[Deployable, str]) -> None:
    """Tell each service its database. Written at each start, as the port may be another one."""
    for service, url in urls.items():
        write_secret(home.secrets(service.name) / service.database_setting.lower(), url)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _signing_key() -> str:
    from joserfc.jwk import OKPKey  # noqa: PLC0415 - heavy, and needed once in the life of a home

    return json.dumps(OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True).as_dict(private=True))
