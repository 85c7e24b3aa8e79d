"""How a run looks in a notebook and on a rich console; no network trouble may break either."""

import html
from typing import TYPE_CHECKING

from submitter.backends.base import RemoteRun, RunDetails
from submitter.errors import SubmitterError
from submitter.guard import shown

if TYPE_CHECKING:
    from rich.text import Text


def as_html(run: RemoteRun) -> str:
    """Return a table for a notebook: the id leads to the run's page."""
    details = _details(run)
    name = html.escape(run.id)
    if details and details.portal_url.startswith("https://"):
        name = f'<a href="{html.escape(details.portal_url)}" target="_blank">{name}</a>'
    rows = [("run", name), *((what, html.escape(text)) for what, text in _facts(details))]
    cells = "".join(f"<tr><th>{what}</th><td>{text}</td></tr>" for what, text in rows)
    return f"<table>{cells}</table>"


def as_rich(run: RemoteRun) -> "Text":
    """Return a line for a rich console."""
    from rich.text import Text

    details = _details(run)
    line = Text("run ")
    link = f"link {details.portal_url}" if details and details.portal_url else ""
    line.append(run.id, style=f"bold {link}".strip())
    for _, text in _facts(details):
        line.append(f"  {text}")
    return line


def _details(run: RemoteRun) -> RunDetails | None:
    try:
        return run.details()
    except SubmitterError:
        return None


def _facts(details: RunDetails | None) -> list[tuple[str, str]]:
    if details is None:
        return [("status", "the service did not answer")]
    facts = [
        ("experiment", details.experiment),
        ("name", details.display_name),
        ("status", details.status),
        ("error", details.error),
    ]
    return [(what, shown(what, text)) for what, text in facts if text]
