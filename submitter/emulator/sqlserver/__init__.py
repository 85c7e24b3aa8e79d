"""A SQL Server that runs on a laptop: TDS and T-SQL over DuckDB, for real drivers.

It plays the protocol of SQL Server 2022 with TLS, logins, transactions, prepared statements,
cancel and the types of T-SQL. What it does not play is refused with error 40000.
"""

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.events import Event
from submitter.emulator.sqlserver.faults import SqlFaults
from submitter.emulator.sqlserver.login import Login
from submitter.emulator.sqlserver.server import SqlServer

__all__ = ["Event", "Login", "SqlError", "SqlFaults", "SqlServer"]
