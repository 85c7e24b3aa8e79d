"""The services of an Azure ML workspace, one module each (the API of azureml-core, "v1")."""
