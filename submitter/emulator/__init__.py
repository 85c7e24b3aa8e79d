"""The Azure that runs on a laptop, for trying a job and for proving this product."""
