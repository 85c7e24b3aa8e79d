"""SQL Server → Parquet: incremental, exactly once, verified.

from remote_entry.extract import committed_parts

pyarrow.dataset.dataset(committed_parts("/mnt/lake/flights"))

In a blob container, as this run's own identity:

for part in committed_parts("abfss://lake@account.dfs.core.windows.net/flights"):
    frame = pandas.read_parquet(open_part(part))
"""

from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.storage.stores import open_part

__all__ = ["committed_parts", "open_part"]
