"""The version of this package, which travels in the snapshot and need not be installed."""

__version__ = "0.1.0"
