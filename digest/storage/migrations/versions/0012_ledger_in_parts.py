"""On PostgreSQL the ledger's two large tables can be in parts: deliveries by local date, attempts by when they began.

Nothing is copied here: the table as it is becomes the part that takes all that has none of its own. The time goes into
one index of it, and nobody reads or writes the ledger meanwhile. What has many rows is given parts afterwards, one by
one (partitions.py). Programs of the revision before go on with it.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

_EDITION = "WHERE kind = 'edition'"
_TROUBLED = "state <> 'accepted' AND state <> 'queued' AND state <> 'leased' AND state <> 'sending'"
_DELIVERIES = (
    ("ix_deliveries_id", "(id)"),
    ("ix_deliveries_day", "(digest, local_date)"),
    ("ix_deliveries_edition_id", "(edition_id)"),
    ("ix_deliveries_reader", "(subscriber_id, edition_id)"),
    ("ix_deliveries_waiting", "(id) WHERE state IN ('queued', 'deferred')"),
    ("ix_deliveries_held", "(lease) WHERE lease <> ''"),
    ("ix_deliveries_troubled", f"(digest, local_date, state) WHERE {_TROUBLED}"),
    ("ix_deliveries_leader_id", "(leader_id) WHERE leader_id IS NOT NULL"),
    ("uq_deliveries_edition", f"(digest, subscriber_id, local_date) {_EDITION}"),
)
_ATTEMPTS = (("ix_attempts_delivery_id", "(delivery_id)"),)
#: A table of millions is swept before a fifth of it has changed, and one of a few rows that change all the time keeps
#: room for their next versions beside them.
_LARGE = "autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02"
_BUSY = "fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0"
_CARE = {
    **dict.fromkeys(("deliveries_rest", "attempts_rest", "subscriptions"), _LARGE),
    **dict.fromkeys(("leases", "relays", "budgets", "hosts", "workers", "cohorts"), _BUSY),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE attempts DROP CONSTRAINT fk_attempts_delivery_id_deliveries")
    op.execute("ALTER TABLE deliveries DROP CONSTRAINT fk_deliveries_leader_id_deliveries")
    _part("deliveries", "local_date", _DELIVERIES, refers=("subscribers", "subscriptions", "editions"))
    _part("attempts", "started_at", _ATTEMPTS)
    for table, settings in _CARE.items():
        op.execute(f"ALTER TABLE {table} SET ({settings})")


def _part(table: str, by: str, indices: tuple[tuple[str, str], ...], refers: tuple[str, ...] = ()) -> None:
    rest = f"{table}_rest"
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}")
    op.execute(f"ALTER TABLE {table} RENAME TO {rest}")
    op.execute(f"CREATE TABLE {table} (LIKE {rest} INCLUDING DEFAULTS) PARTITION BY RANGE ({by})")
    op.execute(f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
    for other in refers:
        column = f"{other.removesuffix('s')}_id"
        name = f"fk_{table}_{column}_{other}"
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {other} (id)")
    for name, of in indices:
        op.execute(f"ALTER INDEX IF EXISTS {name} RENAME TO {name}_rest")
        unique = "UNIQUE " if name.startswith("uq_") else ""
        op.execute(f"CREATE {unique}INDEX {name} ON {table} {of}")
    # Takes over each index of it that is alike.
    op.execute(f"ALTER TABLE {table} ATTACH PARTITION {rest} DEFAULT")
