"""Points in time as the services of Azure write them."""

from datetime import datetime, timezone


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(timezone.utc)


def iso(moment: datetime) -> str:
    """Write a time with seven decimals and an offset, as .NET services do."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")


def http_date(moment: datetime) -> str:
    """Write a time as HTTP headers have it (RFC 9110, section 5.6.7)."""
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
