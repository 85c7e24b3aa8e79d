"""What several tests, the bench and the fault table share."""
