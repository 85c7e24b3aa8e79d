"""The SQL Server: driver, login, connections, and what its errors mean."""
