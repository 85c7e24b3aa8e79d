"""What is asked of the SQL Server: windows, partitions, columns, sums."""
