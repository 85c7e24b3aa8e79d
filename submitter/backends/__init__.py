"""What carries a plan to a service, one module a service generation."""
