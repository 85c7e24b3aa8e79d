"""Runs that are in the workspace: found, followed, fetched, compared, audited."""
