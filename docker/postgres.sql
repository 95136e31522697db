-- Run once, when the volume is new. The database ragft is made by the image (POSTGRES_DB); MLflow gets one of its own.
CREATE DATABASE mlflow;
