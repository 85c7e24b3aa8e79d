"""The whole way: variables → identity → vault → secrets, and the SQL Server at its end."""

from collections.abc import Callable, Mapping

from remote_entry.check.database import WayToDatabase
from remote_entry.check.hops import Walk
from remote_entry.check.secrets import WayToSecrets
from remote_entry.hop import Hop


def check(environ: Mapping[str, str], report: Callable[[Hop], object]) -> int:
    """Go the whole way.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.
        report: Receives each hop as soon as it is done.

    Returns:
        The exit code of the first hop that failed, or 0.
    """
    walk = Walk(report)
    secrets = WayToSecrets(environ, walk)
    if not walk.hop("variables", secrets.read_variables):
        return walk.exit_code
    found = secrets.go()
    sql = secrets.settings.sql
    if sql.server or sql.connection_string_label:
        database = WayToDatabase(
            sql, run_id=environ.get("AZUREML_RUN_ID", ""), token=secrets.sql_token
        )
        database.go(walk, secrets.values() if found else None)
    else:
        walk.skip(["sql"], because="SQL_SERVER, which is not set")
    return walk.exit_code
