"""What others make of a query's rows: a Parquet file, zstd, as their users write it.

Each is the text of a program whose variables ``extracting`` sets: the query, an ODBC connection
string, and the folder to write to.
"""

from dataclasses import dataclass

from reading import CONNECTORX, PANDAS

CHUNK = 50_000

_WRITER = """
import pyarrow as pa, pyarrow.parquet as pq
"""
_ARROW_ODBC = """
reader = arrow_odbc.read_arrow_batches_from_odbc(query, text, fetch_concurrently=True)
rows = 0
with pq.ParquetWriter(folder + "/rows.parquet", reader.schema, compression="zstd") as writer:
    for batch in reader:
        writer.write_batch(batch)
        rows += batch.num_rows
"""
_PANDAS_CHUNKS = f"""
rows, writer = 0, None
with engine.connect().execution_options(stream_results=True) as connection:
    for frame in pandas.read_sql(query, connection, chunksize={CHUNK}):
        schema = writer.schema if writer else None
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if writer is None:
            writer = pq.ParquetWriter(folder + "/rows.parquet", table.schema, compression="zstd")
        writer.write_table(table)
        rows += len(frame)
writer.close()
"""
_CONNECTORX = """
table = connectorx.read_sql(url, query, return_type="arrow")
pq.write_table(table, folder + "/rows.parquet", compression="zstd")
rows = len(table)
"""
_POLARS = """
frame = polars.read_database(query, text)
frame.write_parquet(folder + "/rows.parquet", compression="zstd")
rows = len(frame)
"""
_DLT = f"""
table = sql_table(
    credentials=engine, schema="dbo", table="bench", backend="pyarrow", chunk_size={CHUNK},
    query_adapter_callback=lambda *_: sqlalchemy.text(query),
)
pipeline = dlt.pipeline(
    "bench", destination=dlt.destinations.filesystem(bucket_url="file://" + folder + "/out"),
    dataset_name="rows", pipelines_dir=folder + "/state",
)
pipeline.run(table, loader_file_format="parquet")
rows = pipeline.last_trace.last_normalize_info.row_counts["bench"]
"""
_DLT_BEFORE = """
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
import dlt
from dlt.sources.sql_database import sql_table
"""


@dataclass(frozen=True)
class Peer:
    """Somebody else's way from the rows to Parquet.

    Attributes:
        package: What it needs.
        before: What comes before the clock starts.
        extract: What is measured.
        most: The largest ratio of our time to its; None for no promise.
        rounds: How often.
    """

    package: str
    before: str
    extract: str
    most: float | None = None
    rounds: int = 3


PEERS = {
    "bare arrow-odbc": Peer(
        "arrow_odbc", f"import arrow_odbc{_WRITER}", _ARROW_ODBC, most=1.05, rounds=5
    ),
    "pandas.read_sql": Peer("pandas", PANDAS + _WRITER, _PANDAS_CHUNKS, most=1 / 6),
    "connectorx": Peer("connectorx", CONNECTORX + _WRITER, _CONNECTORX),
    "polars": Peer("polars", "import polars, arrow_odbc", _POLARS),
    "dlt": Peer("dlt", PANDAS + _DLT_BEFORE, _DLT, rounds=1),
}
