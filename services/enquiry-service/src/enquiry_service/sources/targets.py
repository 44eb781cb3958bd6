"""Where a source is and who we are there: a class a product, told apart by `adapter`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

NAME = r"^[^\x00-\x1f\x7f]{1,63}$"
HOST = r"^[A-Za-z0-9.:\[\]-]+$"

AdapterName = Literal["postgresql", "mysql", "sqlite"]
SslMode = Literal["prefer", "require", "verify-full"]


class _Target(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schemas: tuple[str, ...] = Field(min_length=1)


class _Server(_Target):
    host: str = Field(min_length=1, max_length=253, pattern=HOST)
    port: int = Field(ge=1, le=65_535)
    database: str = Field(pattern=NAME)
    username: str = Field(pattern=NAME)
    password: SecretStr
    ssl_mode: SslMode = "prefer"

    @field_serializer("password", when_used="json")
    def _for_the_child(self, password: SecretStr) -> str:
        # JSON is written only for the pipe to the process that runs the query.
        return password.get_secret_value()


class PostgresqlTarget(_Server):
    """A database of a PostgreSQL server."""

    adapter: Literal["postgresql"] = "postgresql"


class MysqlTarget(_Server):
    """Databases of a MariaDB or MySQL server; `schemas` are their names, the first is meant where none is written."""

    adapter: Literal["mysql"] = "mysql"


class SqliteTarget(_Target):
    """A SQLite file."""

    adapter: Literal["sqlite"] = "sqlite"
    path: str
    """Absolute, inside the operator's folder."""


Target = Annotated[PostgresqlTarget | MysqlTarget | SqliteTarget, Field(discriminator="adapter")]
