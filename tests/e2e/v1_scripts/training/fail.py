"""What fails on the cluster."""

raise SystemExit("out of rows")
