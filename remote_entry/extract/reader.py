"""One partition from the server to its last committed part."""

from remote_entry.errors import SqlError
from remote_entry.extract.data_set import Key
from remote_entry.extract.landing.documents import Plan
from remote_entry.extract.landing.folder import Attempt
from remote_entry.extract.landing.parts import Place, Shape, place_of, write_parts
from remote_entry.extract.server.ahead import read_ahead
from remote_entry.extract.server.keys import within
from remote_entry.extract.server.partitions import conditions_in, order_of
from remote_entry.extract.server.schema import with_declared_types
from remote_entry.extract.server.source import Source
from remote_entry.extract.server.windows import conditions_of, rows_query
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch

_MOST_FAILURES = 5  # in a row, without a part committed in between


def read_partition(spec: Spec, source: Source, attempt: Attempt, number: int, watch: Watch) -> None:
    """Commit all parts of a partition; go on behind the last one after what passes by itself.

    Args:
        spec: The extract.
        source: The server.
        attempt: Whose partition it is.
        number: Which.
        watch: Is told of rows, parts and failures.

    Raises:
        SqlError: The server refused the query, or went away too often.
        ExtractError: The query's columns are not those of the plan.
    """
    plan = attempt.plan
    shape = Shape(spec.compression, spec.rows_per_file, _order(plan, number))
    failures = 0
    while (place := place_of(attempt, number)) is not None:
        try:
            with source.rows(_query(spec, plan, place), plan.columns) as rows:
                schema = with_declared_types(rows.schema, plan.columns)
                with read_ahead(rows) as batches:
                    write_parts(attempt, place, schema, batches, shape, watch.note)
        except SqlError as error:
            failures = 1 if place_of(attempt, number) != place else failures + 1
            if not error.transient or failures >= _MOST_FAILURES:
                raise
            how = "going on behind the last part" if shape.key else "beginning anew"
            watch.warn(f"{error.message}; {how}")


def _query(spec: Spec, plan: Plan, place: Place) -> str:
    """Return the SELECT of the rows that are left."""
    order = _order(plan, place.partition)
    left = within(order, place.lo, None) if order else []
    shared = conditions_in(plan.partition_key, plan.partitions[place.partition])
    return rows_query(spec, [*conditions_of(spec, plan.window), *shared, *left], order)


def _order(plan: Plan, number: int) -> Key | None:
    return order_of(plan.partition_key, plan.cursor, plan.partitions[number])
