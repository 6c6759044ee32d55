import { expect, test } from 'vitest'
import { findWrite } from './query.ts'

test.each([
  'SELECT 1',
  'select \'drop table x\' as [update], "delete" from t -- insert',
  'WITH a AS (SELECT 1 AS x) SELECT * FROM a;',
  '(SELECT 1) UNION (SELECT 2)',
  '/* drop /* table */ x */ SELECT CASE WHEN 1 = 1 THEN 2 END AS into_, executed, [a]]; drop table b] FROM t',
  'SELECT 1; ; -- end',
])('%j is a query', (sql) => {
  expect(findWrite(sql)).toBeUndefined()
})

test.each([
  ['', /nothing/, undefined],
  ['-- SELECT 1', /nothing/, undefined],
  ['EXEC sp_who', /something else/, 1],
  ['SELECT 1 DROP TABLE x', /got DROP/, 10],
  ["SELECT 'it''s' INSERT x SELECT 1", /got INSERT/, 16],
  ['SELECT * INTO #x FROM t', /got INTO/, 10],
  ['SELECT 1 /* /* */ */ COMMIT', /got COMMIT/, 22],
  ['WITH a AS (SELECT 1 x) DELETE a', /got DELETE/, 24],
  ["SELECT * FROM OPENROWSET(BULK N'/etc/passwd', SINGLE_CLOB) x", /got OPENROWSET/, 15],
  ['SELECT 1; SELECT 2', /several/, 11],
  ['SELECT 1 REVERT', /got REVERT/, 10],
  ["SELECT 1;\nthrow 50000, 'x', 1", /several/, 11],
])('%j is none, and the message says where', (sql, problem, position) => {
  const found = findWrite(sql)

  expect(found?.problem).toMatch(problem)
  expect(found?.position).toBe(position)
})
