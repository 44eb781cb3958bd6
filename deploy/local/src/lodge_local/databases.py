"""Databases and their roles on a server that we may administer: one role a database, nobody else may connect."""

from typing import LiteralString
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

EXTENSIONS = ("pg_trgm", "btree_gist")
"""Trusted ones: the database's owner makes them."""


def create_database(server: str, name: str, *, password: str, extensions: tuple[str, ...] = EXTENSIONS) -> str:
    """Make the database `name` and its owner, a role of the same name; answer the owner's URL.

    `server` is a superuser's URL. What exists stays; the password becomes the one given.
    """
    role = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as connection:
        if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", name):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))
        is_new = not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", name)
        if is_new:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(role, role))
        connection.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(role))
    owners = at(server, name, user=name, password=password)
    with psycopg.connect(owners, autocommit=True) as connection:
        for extension in extensions:
            connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    return owners


def close_to_public(server: str) -> None:
    """Keep the services' roles out of the databases that every server has."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")


def at(server: str, database: str, *, user: str, password: str) -> str:
    """Answer the URL of `database` on the same server, for another user."""
    parts = urlsplit(server)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        parts._replace(netloc=f"{quote(user)}:{quote(password, safe='')}@{address}", path=f"/{quote(database)}")
    )


def _exists(connection: psycopg.Connection, query: LiteralString, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None
