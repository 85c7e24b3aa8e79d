"""Entra ID, the workspace and Key Vault: who the run is, and its secrets."""
