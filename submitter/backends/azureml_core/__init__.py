"""Azure Machine Learning through azureml-core (SDK v1)."""

from submitter.backends.azureml_core.backend import AzureMLCore

__all__ = ["AzureMLCore"]
