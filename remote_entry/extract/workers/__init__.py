"""Who reads the partitions of an attempt: this process, processes beside it, or other nodes."""
