"""SQL Server → Parquet: incremental, exactly once, verified."""
