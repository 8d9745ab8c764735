"""Alembic's entry point: runs the migrations on the connection it is handed, else on the configured database."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from survey.config import load_settings
from survey.db import make_engine
from survey.migration import load_tables


def run_on(connection: Connection) -> None:
    """Run the migrations in the caller's transaction if there is one."""
    context.configure(
        connection=connection,
        target_metadata=load_tables(),
        compare_type=True,
        # SQLite cannot alter most things in place: Alembic rebuilds the table instead.
        render_as_batch=connection.dialect.name == "sqlite",
        # SQLite's changes of tables are transactional once the driver begins no transactions of its own.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if context.is_offline_mode():
    raise SystemExit("migrations need a database to check against; offline mode (--sql) is not supported")
if handed_over is not None:
    run_on(handed_over)
else:
    # 'alembic revision --autogenerate' and 'alembic check' from a checkout; operators use 'equipoise db'.
    engine = make_engine(load_settings().database_url, foreign_keys=False)
    with engine.begin() as own:
        run_on(own)
    engine.dispose()
