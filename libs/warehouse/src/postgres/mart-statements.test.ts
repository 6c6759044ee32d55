import fc from 'fast-check'
import { expect, test } from 'vitest'
import { classifyStatement, splitStatements } from './mart-statements.ts'

test.each([
  ['select 1', 'query'],
  ['  -- why\n\tWITH a AS (SELECT 1) TABLE a', 'query'],
  ['/* a /* nested */ comment */ (SELECT 1)', 'query'],
  ['SHOW TimeZone', 'query'],
  ['DECLARE c CURSOR FOR SELECT 1', 'query'],
  ['rollback to savepoint s', 'query'],
  ['BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'begin'],
  ['end', 'commit'],
  ['ROLLBACK', 'rollback'],
  ['SET extra_float_digits = 3', 'set'],
  [`SET TIME ZONE 'Europe/Paris'`, 'set'],
  ['SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'nothing'],
  ['SET statement_timeout = 0', 'nothing'],
  [`SET client_encoding TO 'UTF8'`, 'nothing'],
  ['RESET ALL', 'reset'],
  ['DISCARD ALL', 'reset'],
  [' ; ', 'empty'],
  ['-- nothing', 'empty'],
])('%j is for a client of the mart: %s', (sql, kind) => {
  expect(classifyStatement(sql)).toMatchObject({ kind })
})

test.each([
  ['SET ROLE postgres'],
  ['SET LOCAL ROLE postgres'],
  ['SET role = postgres'],
  ['SET "role" = postgres'],
  ['SET SESSION AUTHORIZATION postgres'],
  ['SET LOCAL SESSION AUTHORIZATION DEFAULT'],
  ['SET session_authorization TO postgres'],
  ['SET transaction_read_only = off'],
  ['SET standard_conforming_strings = off'],
  [`SET client_encoding = 'LATIN1'`],
  ['/* /* */ SELECT 1 */ DELETE FROM t'],
  ['-- SELECT 1\rDELETE FROM t'],
  ['DO $$ BEGIN END $$'],
  ['COPY t TO PROGRAM $$rm$$'],
  ['CALL p()'],
  ['PREPARE p AS SELECT 1'],
  ['EXECUTE p'],
  ['\u00A0SELECT 1'],
  ['SELECTED 1'],
])('%j is refused', (sql) => {
  expect(classifyStatement(sql)).toMatchObject({ kind: 'refused' })
})

test('resetting the session’s authorization resets nothing', () => {
  expect(classifyStatement('RESET SESSION AUTHORIZATION')).toMatchObject({ kind: 'reset', name: '' })
  expect(classifyStatement('RESET ROLE')).toMatchObject({ kind: 'reset', name: 'role' })
})

test('a text is cut at its semicolons, not at those within texts, names, comments and dollar quotes', () => {
  expect(
    splitStatements(`SELECT ';' ; SELECT ";" -- ;\n; SELECT /* ; /* ; */ ; */ 1; SELECT $a$ ; $$ ; $a$, e'\\';' ;; `),
  ).toEqual([`SELECT ';' `, ` SELECT ";" -- ;\n`, ' SELECT /* ; /* ; */ ; */ 1', ` SELECT $a$ ; $$ ; $a$, e'\\';' `])
})

test('any texts are cut apart again', () => {
  const piece = fc.constantFrom(`'a;b'`, '"c;d"', '$$ ; $$', '/* ; */', '1', 'x', `e'\\';'`)
  const statement = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => `SELECT ${pieces.join(' , ')}`)
  fc.assert(
    fc.property(fc.array(statement, { minLength: 1, maxLength: 4 }), (statements) => {
      expect(splitStatements(statements.join(';'))).toEqual(statements)
    }),
  )
})
