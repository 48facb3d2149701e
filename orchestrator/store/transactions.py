"""How a transaction begins: said by whoever opens it, done as its kind of database wants it."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, event

#: The execution option with the statement that begins the next transaction.
BEGIN = "farm_begin"


def begin_with(engine: Engine, default: str) -> None:
    """Have every transaction of an engine begin with what its option says, else as given."""

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, default))

    event.listen(engine, "begin", begin)
