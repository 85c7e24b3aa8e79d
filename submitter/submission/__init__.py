"""From a plan to a run, or to many: ids that make it happen once, attempts, arrays, records."""
