"""Queries → Arrow batches and DataFrames."""
