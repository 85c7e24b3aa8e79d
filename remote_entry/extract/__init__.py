"""SQL Server → Parquet: incremental, exactly once, verified.

from remote_entry.extract import committed_parts

pyarrow.dataset.dataset(committed_parts("/mnt/lake/flights"))
"""

from remote_entry.extract.landing import committed_parts

__all__ = ["committed_parts"]
