/** Functions and views of SQL Server that Cinelake and its query builder ask, on PostgreSQL's own catalogue. */
export const CATALOGUE = `
CREATE SCHEMA sys;
CREATE FUNCTION quotename(name text) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT '[' || replace(name, ']', ']]') || ']' $$;
CREATE FUNCTION object_id(name text, kind text) RETURNS int LANGUAGE sql STABLE AS $$
  SELECT c.oid::int FROM regexp_matches(name, '^\\[(.*)\\]\\.\\[(.*)\\]$') AS part
  JOIN pg_namespace n ON n.nspname = replace(part[1], ']]', ']')
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = replace(part[2], ']]', ']') AND c.relkind = 'r' $$;
CREATE FUNCTION object_id(name text) RETURNS int LANGUAGE sql STABLE AS $$
  SELECT c.oid::int FROM regexp_matches(name, '^\\[(.*)\\]\\.\\[(.*)\\]$') AS part
  JOIN pg_namespace n ON n.nspname = replace(part[1], ']]', ']')
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = replace(part[2], ']]', ']') AND c.relkind IN ('r', 'v') $$;
CREATE FUNCTION col_length(name text, wanted text) RETURNS int LANGUAGE sql STABLE AS $$
  SELECT a.attlen::int FROM pg_attribute a
  WHERE a.attrelid = object_id(name, 'U') AND a.attname = wanted AND NOT a.attisdropped $$;
CREATE FUNCTION schema_id(name text) RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT oid::int FROM pg_namespace WHERE nspname = name $$;
CREATE FUNCTION user_id(name text) RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT oid::int FROM pg_roles WHERE rolname = name $$;
CREATE FUNCTION concatenated(one text, other text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT one || other $$;
CREATE OPERATOR + (LEFTARG = text, RIGHTARG = text, FUNCTION = concatenated);
CREATE VIEW sys.schemas AS SELECT nspname::text AS name, oid::int AS schema_id FROM pg_namespace;
CREATE VIEW sys.tables AS SELECT relname::text AS name, oid::int AS object_id, relnamespace::int AS schema_id, 'U '::text AS type
  FROM pg_class WHERE relkind = 'r' AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema)');
CREATE VIEW sys.views AS SELECT relname::text AS name, oid::int AS object_id, relnamespace::int AS schema_id, 'V '::text AS type
  FROM pg_class WHERE relkind = 'v' AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema|sys)');
CREATE VIEW sys.types AS SELECT typname::text AS name, oid::int AS user_type_id, typnamespace::int AS schema_id, true AS is_nullable FROM pg_type;
CREATE VIEW sys.columns AS SELECT attrelid::int AS object_id, attname::text AS name, attnum::int AS column_id, atttypid::int AS user_type_id,
  0 AS default_object_id, 'NOT_APPLICABLE'::text AS generated_always_type_desc, false AS is_computed, false AS is_identity,
  NOT attnotnull AS is_nullable, false AS is_rowguidcol FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped;
CREATE VIEW sys.extended_properties AS SELECT d.objoid::int AS major_id, d.objsubid::int AS minor_id, 'MS_Description'::text AS name,
  d.description AS value FROM pg_description d WHERE d.classoid = 'pg_class'::regclass;
CREATE FUNCTION user_name(id int) RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT rolname::text FROM pg_roles WHERE oid = id::oid $$;
CREATE FUNCTION user_name() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'dbo' $$;
CREATE FUNCTION db_name() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_database()::text $$;
CREATE FUNCTION has_perms_by_name(securable text, kind text, permission text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$;
CREATE VIEW sys.database_permissions AS SELECT 3 AS class, n.oid::int AS major_id, a.grantee::int AS grantee_principal_id,
  'SELECT'::text AS permission_name, 'G'::text AS state
  FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a WHERE a.privilege_type = 'USAGE' AND a.grantee <> n.nspowner;
CREATE VIEW sys.key_constraints AS SELECT conname::text AS name, conrelid::int AS parent_object_id FROM pg_constraint WHERE contype = 'p';
CREATE VIEW sys.sql_expression_dependencies AS SELECT 0 AS referencing_id, 0 AS referenced_id WHERE false;
GRANT USAGE ON SCHEMA sys TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA sys TO PUBLIC;
`
