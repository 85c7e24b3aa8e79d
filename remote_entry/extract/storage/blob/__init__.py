"""A data set in a blob container, with the guarantees of a local disk."""
