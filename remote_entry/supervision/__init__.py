"""The user's command under watch: clean environment, secrets handed over, masked output."""
