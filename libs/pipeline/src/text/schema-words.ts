import { z } from 'zod'
import { isReservedSchema, SCHEMA_NAME } from '../mart-schema.ts'

/** Characters. PostgreSQL cuts longer names off. Source: postgresql.org/docs/current/sql-syntax-lexical.html */
const MAX_NAME_LENGTH = 63

/** A name that is a table in SQL, a folder in the lake and a part of a task's name. */
export const tableName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'expected letters, digits and `_`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)

/** A name that is a folder in the lake and a part of a task's name. */
export const plainName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'expected letters, digits, `_` and `-`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)

/** A schema in the mart. */
export const martSchema = z
  .string()
  .regex(SCHEMA_NAME, 'expected small letters, digits and `_`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)
  .refine(
    (schema) => !isReservedSchema(schema),
    'expected a name that neither the platform nor a database has for itself (ops, loader, public, dbo, sys, guest, information_schema, pg_…, db_…)',
  )

/** A table of another pipeline: `ott.dim_title`. */
export const usedTable = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z][A-Za-z0-9_]*$/,
    'expected a pipeline and its table with a point between them, such as `ott.dim_title`',
  )

export const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'expected a number and a unit (`ms`, `s`, `m`, `h`, `d`), such as `90s` or `3h`')

/** An amount of bytes. */
export const size = z
  .string()
  .regex(/^\d+(KB|MB|GB|KiB|MiB|GiB)$/, 'expected a number and a unit (`KB`, `MB`, `GB`, `MiB` …), such as `10MB`')

const word = z.union([z.string(), z.int()]).transform(String)
export const words = z.array(word)
export const text = z.string().min(1, 'expected a text that is not empty')
export const oneCharacter = z.string().regex(/^[\t -~]$/, 'expected one character of ASCII')
