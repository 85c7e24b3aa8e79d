"""Where a data set lies: on a disk, or in a blob container."""
