-- The database of `docker compose up`, as Azure SQL would give it: readers do not wait for writers.
IF DB_ID('cinelake') IS NULL CREATE DATABASE cinelake;
GO
ALTER DATABASE cinelake SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE;
ALTER DATABASE cinelake SET ALLOW_SNAPSHOT_ISOLATION ON;
GO
