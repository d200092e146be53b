"""The revisions we read from the names of the files are alembic's own."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from digest.storage import migrate


def test_the_newest_file_is_alembics_head_and_every_file_is_a_revision():
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert (migrate.head(), len(revisions)) == (scripts.get_current_head(), len(set(revisions)))
    files = (Path(migrate.__file__).parent / "migrations" / "versions").glob("[0-9]*.py")
    assert sorted(revisions) == sorted(file.name.partition("_")[0] for file in files)


def test_the_revision_of_a_database_is_what_alembic_says(store):
    with store.reading() as tx:
        assert migrate.current(store) == MigrationContext.configure(tx).get_current_revision()
