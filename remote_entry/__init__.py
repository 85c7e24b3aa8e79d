"""What a training script needs inside the run: Key Vault's secrets and a SQL Server connection."""
