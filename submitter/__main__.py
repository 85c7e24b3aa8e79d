"""`python -m submitter` is the same as `submitter`."""

from submitter.cli import run

if __name__ == "__main__":
    run()
