"""Submit Azure Machine Learning runs that read a database without holding its password."""
