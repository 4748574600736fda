-- Two roles with the least rights that the service needs. Run it once, by a superuser that is
-- connected to the database of the service, before the first migration:
--   psql --set=owner_password=… --set=app_password=… --file=roles.sql
\set ON_ERROR_STOP on

-- Owns the schema and migrates it. No process that serves anybody runs as this role.
CREATE ROLE presence_owner LOGIN PASSWORD :'owner_password';

-- API and worker: they read and write rows, and can neither change nor drop a table.
CREATE ROLE presence_app LOGIN PASSWORD :'app_password';

REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO presence_owner, presence_app;
-- For the extension pg_trgm, by which searches have an index.
GRANT CREATE ON DATABASE :"DBNAME" TO presence_owner;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO presence_owner;
GRANT USAGE ON SCHEMA public TO presence_app;

-- For whatever the owner's migrations make from here on.
ALTER DEFAULT PRIVILEGES FOR ROLE presence_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO presence_app;
ALTER DEFAULT PRIVILEGES FOR ROLE presence_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO presence_app;
ALTER DEFAULT PRIVILEGES FOR ROLE presence_owner
  REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE presence_owner IN SCHEMA public
  GRANT EXECUTE ON FUNCTIONS TO presence_app;
