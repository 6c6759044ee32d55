import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTypers } from '../fixtures/typer.fixture.ts'
import type { SqlTyper } from '../sql-typer.ts'
import { lineageOf, ROWS } from './lineage.ts'
import { parseQuery } from './parse.ts'

const TABLES = [
  {
    name: 'u',
    columns: {
      id: 'BIGINT',
      mail: 'VARCHAR',
      born: 'DATE',
      tags: 'VARCHAR[]',
      home: 'STRUCT(city VARCHAR, zip VARCHAR)',
    },
  },
  { name: 't', columns: { id: 'BIGINT', title: 'VARCHAR', votes: 'BIGINT', facts: 'JSON' } },
  { name: 'other.t', columns: { id: 'BIGINT', price: 'DOUBLE' } },
].map(({ name, columns }) => ({
  name,
  columns: Object.entries(columns).map(([column, type]) => ({ name: column, type })),
}))

let typers: Awaited<ReturnType<typeof openTypers>>
let typer: SqlTyper
beforeAll(async () => {
  typers = await openTypers()
  typer = await typers.typer()
  for (const { name, columns } of TABLES) await typer.createTable(name, columns)
})
afterAll(async () => {
  await typers[Symbol.asyncDispose]()
})

/** By column, and for the rows where something in a column decides about their number: `u.mail u.id`; `?` where it cannot be told. */
async function lineage(sql: string): Promise<Record<string, string>> {
  const parsed = await parseQuery(typer, sql)
  if ('message' in parsed) throw new Error(parsed.message)
  const columns = await typer.describe(sql)
  const found = [...lineageOf(parsed.tree, TABLES, columns)].map(([name, origins]) => {
    const named = origins?.filter(({ column }) => column !== ROWS).map(({ table, column }) => `${table}.${column}`)
    return [name, named === undefined ? '?' : named.sort().join(' ')] as const
  })
  return Object.fromEntries(found.filter(([name, origins]) => name !== ROWS || origins !== ''))
}

describe.each<[what: string, cases: [sql: string, expected: Record<string, string>][]]>([
  [
    'columns and expressions',
    [
      ['SELECT id, lower(mail) AS m, 1 AS one FROM u', { id: 'u.id', m: 'u.mail', one: '' }],
      ['SELECT U.ID AS "Key" FROM U', { key: 'u.id' }],
      ['FROM u SELECT mail', { mail: 'u.mail' }],
      ['SELECT mail AS m, m || id AS n FROM u', { m: 'u.mail', n: 'u.id u.mail' }],
      ['SELECT id AS mail, mail AS m FROM u', { mail: 'u.id', m: 'u.mail' }],
      [
        "SELECT CASE WHEN born IS NULL THEN mail END AS c, CAST(id AS VARCHAR) AS d, mail IN ('a') AS e FROM u",
        { c: 'u.born u.mail', d: 'u.id', e: 'u.mail' },
      ],
      ["SELECT id FROM u WHERE mail = 'a' AND born IS NOT NULL", { id: 'u.id' }],
      ['SELECT id FROM u ORDER BY mail NULLS LAST LIMIT 3', { id: 'u.id' }],
      ['SELECT DISTINCT ON (mail) id FROM u', { id: 'u.id' }],
      ['SELECT u FROM u', { u: 'u.born u.home u.id u.mail u.tags' }],
      ["SELECT id AS x FROM u WHERE x > 3 AND mail = 'a'", { x: 'u.id' }],
      ['SELECT a, d FROM t AS x(a, b, c, d)', { a: 't.id', d: 't.facts' }],
      ['SELECT id AS a, a + 1 AS b, b + votes AS c FROM t', { a: 't.id', b: 't.id', c: 't.id t.votes' }],
      ['SELECT votes AS id, id AS x FROM t', { id: 't.votes', x: 't.id' }],
      ['SELECT DISTINCT mail FROM u', { mail: 'u.mail' }],
    ],
  ],
  [
    'stars',
    [
      ['FROM t', { id: 't.id', title: 't.title', votes: 't.votes', facts: 't.facts' }],
      ['SELECT * FROM t', { id: 't.id', title: 't.title', votes: 't.votes', facts: 't.facts' }],
      ['SELECT t.*, 1 AS one FROM u, t', { id: 't.id', title: 't.title', votes: 't.votes', facts: 't.facts', one: '' }],
      [
        'SELECT * EXCLUDE (mail, born) REPLACE (upper(mail) AS tags) RENAME (home AS place) FROM u',
        { id: 'u.id', tags: 'u.mail', place: 'u.home' },
      ],
      [
        'SELECT * EXCLUDE (t.id) FROM t JOIN u ON t.id = u.id',
        {
          title: 't.title',
          votes: 't.votes',
          facts: 't.facts',
          id: 'u.id',
          mail: 'u.mail',
          born: 'u.born',
          tags: 'u.tags',
          home: 'u.home',
        },
      ],
      [
        "SELECT COLUMNS('m.*') FROM u",
        { mail: 'u.born u.home u.id u.mail u.tags', home: 'u.born u.home u.id u.mail u.tags' },
      ],
      ["SELECT * LIKE 'ma%' FROM u", { mail: 'u.born u.home u.id u.mail u.tags' }],
      [
        "SELECT max(COLUMNS(['id', 'votes'])) FROM t",
        { id: 't.facts t.id t.title t.votes', votes: 't.facts t.id t.title t.votes' },
      ],
      [
        'SELECT * EXCLUDE (tags, home) FROM t NATURAL JOIN u',
        { id: 't.id u.id', title: 't.title', votes: 't.votes', facts: 't.facts', mail: 'u.mail', born: 'u.born' },
      ],
      [
        'SELECT COLUMNS(t.*) FROM t, u',
        {
          id: 't.facts t.id t.title t.votes u.born u.home u.id u.mail u.tags',
          title: 't.facts t.id t.title t.votes u.born u.home u.id u.mail u.tags',
          votes: 't.facts t.id t.title t.votes u.born u.home u.id u.mail u.tags',
          facts: 't.facts t.id t.title t.votes u.born u.home u.id u.mail u.tags',
        },
      ],
      [
        'SELECT id, COLUMNS(* EXCLUDE (id))::VARCHAR FROM t',
        {
          id: 't.facts t.id t.title t.votes',
          title: 't.facts t.id t.title t.votes',
          votes: 't.facts t.id t.title t.votes',
          facts: 't.facts t.id t.title t.votes',
        },
      ],
      [
        "SELECT id, title FROM (SELECT id, COLUMNS('ti.*') FROM t)",
        { id: 't.id', title: 't.facts t.id t.title t.votes' },
      ],
    ],
  ],
  [
    'structs, lists and maps',
    [
      [
        "SELECT home.city AS a, u.home.zip AS b, (home).city AS c, home['zip'] AS d FROM u",
        { a: 'u.home', b: 'u.home', c: 'u.home', d: 'u.home' },
      ],
      ['SELECT home.* FROM u', { city: 'u.home', zip: 'u.home' }],
      ['SELECT struct_pack(a := mail, b := 1).b AS x FROM u', { x: 'u.mail' }],
      [
        "SELECT {'a': mail}.a AS x, [mail, id::VARCHAR][1] AS y, map {'k': mail} AS m FROM u",
        { x: 'u.mail', y: 'u.id u.mail', m: 'u.mail' },
      ],
    ],
  ],
  [
    'lambdas, list comprehensions and arrows',
    [
      ["SELECT facts -> '$.a' AS a, facts ->> 'b' AS b FROM t", { a: 't.facts', b: 't.facts' }],
      [
        "SELECT CAST(mail AS JSON) -> '$.a' AS a, to_json([lower(mail)]) -> 0 AS b, u.mail -> 'a' -> 'b' AS c, lower(mail) -> mail AS d FROM u",
        { a: 'u.mail', b: 'u.mail', c: 'u.mail', d: 'u.mail' },
      ],
      [
        "SELECT list_transform(tags, lambda z: CAST(z AS JSON) -> '$.a') AS l, list_reduce(tags, (x, y) -> x || y) AS r FROM u",
        { l: 'u.tags', r: 'u.tags' },
      ],
      [
        "SELECT list_transform(tags, lambda z: z || mail) AS l, list_filter(tags, z -> z > 'a') AS m FROM u",
        { l: 'u.mail u.tags', m: 'u.tags' },
      ],
      ['SELECT list_reduce(tags, lambda a, b: a || b || id) AS l FROM u', { l: 'u.id u.tags' }],
      ['SELECT [z || born FOR z IN tags IF z <> mail] AS l FROM u', { l: 'u.born u.mail u.tags' }],
      ['SELECT list_transform(tags, lambda id: id || mail) AS l FROM u', { l: 'u.mail u.tags' }],
    ],
  ],
  [
    'aggregates and windows',
    [
      ['SELECT id FROM u QUALIFY row_number() OVER (PARTITION BY mail ORDER BY born) = 1', { id: 'u.id' }],
      [
        'SELECT count(mail) AS a, count(DISTINCT mail) AS b, count(*) AS c, count(lower(mail)) AS d, count() AS e FROM u',
        { a: '', b: '', c: '', d: 'u.mail', e: '' },
      ],
      [
        "SELECT count(*) FILTER (WHERE mail LIKE 'a%') AS a, count_if(mail > 'a') AS b FROM u",
        { a: 'u.mail', b: 'u.mail' },
      ],
      [
        "SELECT sum(votes) AS s, list(title ORDER BY votes NULLS LAST) AS l, string_agg(title, ',') AS g FROM t",
        { s: 't.votes', l: 't.title t.votes', g: 't.title' },
      ],
      [
        'SELECT sum(votes) OVER w AS s, count(*) OVER (PARTITION BY title) AS n FROM t WINDOW w AS (PARTITION BY id ORDER BY title NULLS LAST)',
        { s: 't.id t.title t.votes', n: 't.title' },
      ],
      ['SELECT title, sum(votes) AS v FROM t GROUP BY ALL HAVING max(id) > 3', { title: 't.title', v: 't.votes' }],
      ['SELECT mail FROM u GROUP BY ROLLUP (mail, born)', { mail: 'u.mail' }],
      [
        'SELECT max_by(title, votes) AS a, arg_min(id, title) AS b, first(id ORDER BY title NULLS LAST) AS c FROM t',
        { a: 't.title t.votes', b: 't.id t.title', c: 't.id t.title' },
      ],
      [
        'SELECT lag(mail) OVER (ORDER BY id) AS a, sum(id) OVER (ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS b FROM u',
        { a: 'u.id u.mail', b: 'u.id' },
      ],
      [
        'SELECT count(u) AS n, count(DISTINCT u) AS m, any_value(u) AS a FROM u',
        { n: '', m: '', a: 'u.born u.home u.id u.mail u.tags' },
      ],
      ['SELECT approx_count_distinct(mail) AS n, count_if(mail IS NULL) AS m FROM u', { n: '', m: 'u.mail' }],
    ],
  ],
  [
    'tables of a FROM',
    [
      ['SELECT y FROM (SELECT id, mail FROM u) AS a(x, y)', { y: 'u.mail' }],
      ['SELECT id_1 FROM (SELECT u.id, t.id FROM u, t)', { id_1: 't.id' }],
      ['SELECT "lower(mail)" AS x FROM (SELECT id, lower(mail) FROM u)', { x: 'u.mail' }],
      ['SELECT a.mail FROM (SELECT * FROM u, t) AS a', { mail: 'u.mail' }],
    ],
  ],
  [
    'common table expressions',
    [
      [
        'WITH a AS (SELECT id, mail FROM u), b AS (SELECT id, upper(mail) AS m FROM a) SELECT m FROM b',
        { m: 'u.mail' },
      ],
      ['WITH a(x, y) AS MATERIALIZED (SELECT id, mail FROM u) SELECT x, y FROM a', { x: 'u.id', y: 'u.mail' }],
      ['WITH u AS (SELECT id AS mail FROM u) SELECT mail FROM u', { mail: 'u.id' }],
    ],
  ],
  [
    'recursions',
    [
      [
        'WITH RECURSIVE r(n, x) AS (SELECT 1, mail FROM u UNION ALL SELECT n + 1, title FROM r, t WHERE n < votes) SELECT n, x FROM r',
        { n: 't.votes', x: 't.title t.votes u.mail', '(rows)': 't.votes' },
      ],
      [
        'WITH RECURSIVE r(id, n) USING KEY (id) AS (SELECT id, 1 FROM t UNION SELECT r.id, n + 1 FROM r WHERE n < 3) SELECT id, n FROM r',
        { id: 't.id', n: '' },
      ],
      [
        'WITH RECURSIVE r AS (SELECT id, length(mail) AS n FROM u UNION ALL SELECT id, n - 1 FROM r WHERE n > 0), s AS (SELECT id FROM r) SELECT id, count(*) AS c FROM s GROUP BY id',
        { id: 'u.id u.mail', c: 'u.mail', '(rows)': 'u.mail' },
      ],
    ],
  ],
  [
    'subqueries',
    [
      ['SELECT count(m) AS a, count(l) AS b FROM (SELECT mail AS m, length(mail) AS l FROM u)', { a: '', b: 'u.mail' }],
      [
        'WITH a AS (SELECT mail FROM u) SELECT * FROM (WITH a AS (SELECT title FROM t) SELECT * FROM a) AS x, a',
        { title: 't.title', mail: 'u.mail' },
      ],
      ['SELECT a.x FROM (SELECT mail AS x, id FROM u) AS a', { x: 'u.mail' }],
      ['SELECT (SELECT max(t.title) FROM t WHERE t.id = u.id) AS m FROM u', { m: 't.id t.title u.id' }],
      [
        "SELECT (SELECT count(*) FROM t WHERE t.id = u.id AND u.born > DATE '2000-01-01') AS m FROM u",
        { m: 't.id u.born u.id' },
      ],
      [
        "SELECT EXISTS (SELECT 1 FROM u WHERE u.id = t.id AND mail LIKE 'a%') AS e, id IN (SELECT id FROM u) AS i FROM t",
        { e: 't.id u.id u.mail', i: 't.id u.id' },
      ],
      ["SELECT title FROM t WHERE id IN (SELECT id FROM u WHERE mail LIKE 'a%')", { title: 't.title' }],
      ['SELECT title FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.id = t.id)', { title: 't.title' }],
      [
        'SELECT title, l.m FROM t, LATERAL (SELECT mail AS m FROM u WHERE u.id = t.id) AS l',
        { title: 't.title', m: 'u.mail' },
      ],
      [
        'SELECT t.id, l.n FROM t, LATERAL (SELECT count(*) AS n FROM u WHERE u.id = t.id AND length(mail) > 2) AS l',
        { id: 't.id', n: 'u.mail' },
      ],
      [
        'SELECT t.id, l.n, l.s FROM t JOIN LATERAL (SELECT n, s FROM (SELECT count(*) AS n, sum(votes) AS s FROM u, t AS x WHERE u.id = t.id AND u.born IS NULL)) AS l ON true',
        { id: 't.id', n: 'u.born', s: 't.votes u.born' },
      ],
      [
        'SELECT t.id, l.id AS x FROM t, LATERAL (SELECT u.id FROM u WHERE u.id = t.id AND born IS NULL) AS l',
        { id: 't.id', x: 'u.id' },
      ],
      ['SELECT t.id, l.n FROM t, (SELECT count(*) AS n FROM u WHERE born IS NULL) AS l', { id: 't.id', n: '' }],
      ['SELECT (SELECT m FROM (SELECT u.mail AS m)) AS a FROM u', { a: 'u.mail' }],
      ['SELECT (WITH a AS (SELECT u.mail AS m) SELECT m FROM a) AS a FROM u', { a: 'u.mail' }],
      ['SELECT l FROM u, (SELECT list(title) AS l FROM t WHERE t.id = u.id)', { l: 't.title' }],
      [
        "SELECT CASE WHEN EXISTS (WITH a AS (SELECT * FROM u WHERE mail LIKE 'a%') FROM a WHERE a.id = t.id) THEN 1 END AS x FROM t",
        { x: 't.id u.id u.mail' },
      ],
    ],
  ],
  [
    'joins',
    [
      ['SELECT id, title, mail FROM t JOIN u USING (id)', { id: 't.id u.id', title: 't.title', mail: 'u.mail' }],
      [
        'SELECT * FROM t JOIN u USING (id)',
        {
          id: 't.id u.id',
          title: 't.title',
          votes: 't.votes',
          facts: 't.facts',
          mail: 'u.mail',
          born: 'u.born',
          tags: 'u.tags',
          home: 'u.home',
        },
      ],
      [
        'SELECT * FROM t SEMI JOIN u ON t.title = u.mail',
        { id: 't.id', title: 't.title', votes: 't.votes', facts: 't.facts' },
      ],
      ['SELECT mail, title FROM u POSITIONAL JOIN t', { mail: 'u.mail', title: 't.title' }],
      [
        'SELECT id, a.id AS x, b.id AS y FROM t AS a JOIN t AS b USING (id) JOIN u USING (id)',
        { id: 't.id u.id', x: 't.id', y: 't.id' },
      ],
      [
        'SELECT * FROM t AS a JOIN u AS b ON a.id = b.id',
        {
          id: 't.id u.id',
          title: 't.title',
          votes: 't.votes',
          facts: 't.facts',
          mail: 'u.mail',
          born: 'u.born',
          tags: 'u.tags',
          home: 'u.home',
        },
      ],
      ['SELECT id FROM t RIGHT JOIN u USING (id)', { id: 't.id u.id' }],
      ['SELECT title FROM (t JOIN u USING (id))', { title: 't.title' }],
    ],
  ],
  [
    'outer joins',
    [
      [
        "WITH a AS (SELECT id FROM u WHERE born < DATE '2008-01-01') SELECT u.id, a.id IS NOT NULL AS adult FROM u LEFT JOIN a USING (id)",
        { id: 'u.id', adult: 'u.born u.id' },
      ],
      [
        "WITH a AS (SELECT id FROM u WHERE born < DATE '2008-01-01') SELECT id, count(a.id) AS n, count(*) AS c FROM u LEFT JOIN a USING (id) GROUP BY id",
        { id: 'u.id', n: 'u.born', c: '' },
      ],
      [
        'SELECT t.id, p.id AS p FROM t LEFT JOIN u AS p ON p.id = t.id AND length(p.mail) > 2',
        { id: 't.id', p: 'u.id u.mail' },
      ],
      ['SELECT p.id FROM t LEFT JOIN u AS p ON p.id = t.id AND p.mail = t.title', { id: 'u.id' }],
      ['SELECT p.id FROM t LEFT JOIN u AS p ON p.id = t.id AND p.mail = p.home.city', { id: 'u.home u.id u.mail' }],
      ['SELECT p.id FROM t LEFT JOIN (SELECT id FROM u WHERE born = born) AS p ON p.id = t.id', { id: 'u.born u.id' }],
      [
        'SELECT p.id FROM t LEFT JOIN (SELECT u.id FROM u JOIN t AS x ON u.mail = x.title) AS p ON p.id = t.id',
        { id: 'u.id' },
      ],
      [
        'SELECT p.id FROM t LEFT JOIN u AS p ON p.id = t.id AND (p.born IS NULL OR p.mail <> t.title)',
        { id: 't.title u.born u.id u.mail', '(rows)': 't.title u.born u.mail' },
      ],
      [
        'SELECT t.id, l.n FROM t LEFT JOIN LATERAL (SELECT count(*) AS n FROM u WHERE u.id = t.id AND length(mail) > 2) AS l ON true',
        { id: 't.id', n: 'u.mail' },
      ],
      [
        "SELECT a.id AS a, t.id AS t FROM (SELECT id FROM u WHERE mail > 'a') AS a RIGHT JOIN t ON a.id = t.id",
        { a: 'u.id u.mail', t: 't.id' },
      ],
      [
        "SELECT a.one, t.id AS t FROM (SELECT id, 1 AS one FROM u WHERE mail > 'a') AS a FULL JOIN (SELECT id FROM t WHERE votes > 3) AS t ON a.id = t.id",
        { one: 'u.mail', t: 't.id t.votes' },
      ],
      [
        "SELECT a.id AS a, t.id AS t FROM (SELECT id FROM u WHERE mail > 'a') AS a JOIN t ON a.id = t.id",
        { a: 'u.id', t: 't.id' },
      ],
      [
        "SELECT * FROM t LEFT JOIN (SELECT id, 1 AS one FROM u WHERE mail > 'a') AS a USING (id)",
        { id: 't.id u.id', title: 't.title', votes: 't.votes', facts: 't.facts', one: 'u.mail' },
      ],
      [
        "SELECT id, x.id AS x, a.id AS a FROM (t NATURAL LEFT JOIN (SELECT id FROM u WHERE mail > 'a') AS a) LEFT JOIN t AS x USING (id)",
        { id: 't.id u.id', x: 't.id', a: 'u.id u.mail' },
      ],
      [
        "SELECT t.id FROM t LEFT JOIN (SELECT id, 1 AS one FROM u WHERE mail > 'a') AS a USING (id), range(3) AS r(n) WHERE r.n < a.one",
        { id: 't.id u.mail', '(rows)': 'u.mail' },
      ],
      [
        'SELECT id, w.title AS w FROM (t JOIN (SELECT id FROM t) AS b USING (id)) RIGHT JOIN (SELECT title FROM t) AS w ON length(w.title) > 3',
        { id: 't.id t.title', w: 't.title' },
      ],
    ],
  ],
  [
    'the order of rows',
    [
      [
        'SELECT list(id) AS l, first(id) AS f, count(*) AS n FROM (SELECT id FROM u ORDER BY mail NULLS LAST)',
        { l: 'u.id u.mail', f: 'u.id u.mail', n: '' },
      ],
      [
        'WITH a AS (SELECT id FROM u ORDER BY mail NULLS LAST), b AS (SELECT * FROM a) SELECT id, row_number() OVER () AS n FROM b AS x(id)',
        { id: 'u.id', n: 'u.mail' },
      ],
      [
        'SELECT sum(1) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n, sum(1) OVER () AS m FROM (SELECT id FROM u ORDER BY mail NULLS LAST)',
        { n: 'u.mail', m: '' },
      ],
      [
        'SELECT id, n FROM (SELECT id FROM u ORDER BY mail NULLS LAST) POSITIONAL JOIN (SELECT range AS n FROM range(9)) AS r',
        { id: 'u.id u.mail', n: 'u.mail' },
      ],
      [
        'SELECT id, n FROM (SELECT id FROM u) AS a POSITIONAL JOIN (SELECT range AS n FROM range(9)) AS r',
        { id: 'u.id', n: '' },
      ],
      ['SELECT list(id) AS l FROM (SELECT id, lower(mail) AS id2, born FROM u ORDER BY id)', { l: 'u.id' }],
      ['SELECT list(title) AS l FROM (SELECT title, votes AS id FROM t ORDER BY id)', { l: 't.id t.title t.votes' }],
      ['SELECT list(id) AS l FROM (SELECT id, mail FROM u ORDER BY 2)', { l: 'u.id u.mail' }],
      ['SELECT list(title) AS l FROM (SELECT title, votes FROM t ORDER BY ALL)', { l: 't.title t.votes' }],
      [
        'SELECT first(i) AS f FROM (SELECT id AS i, mail FROM u UNION ALL SELECT id, title FROM t ORDER BY 2)',
        { f: 't.id t.title u.id u.mail' },
      ],
      [
        'SELECT first(id) AS f FROM ((SELECT id FROM u ORDER BY born NULLS LAST) UNION ALL SELECT id FROM t)',
        { f: 't.id u.born u.id' },
      ],
      [
        'SELECT first(t.id) AS f FROM (SELECT id FROM u ORDER BY mail NULLS LAST) AS a JOIN t USING (id)',
        { f: 't.id u.mail' },
      ],
      ['SELECT (SELECT id FROM (SELECT id FROM u ORDER BY mail NULLS LAST) LIMIT 1) AS f FROM t', { f: 'u.id u.mail' }],
      ['SELECT ARRAY(SELECT id FROM u ORDER BY mail NULLS LAST) AS a', { a: 'u.id u.mail' }],
      [
        'WITH RECURSIVE r AS (SELECT id, 1 AS n FROM (SELECT id FROM u ORDER BY mail NULLS LAST) UNION ALL SELECT id, n + 1 FROM r WHERE n < 3) SELECT list(id) AS l FROM r',
        { l: 'u.id u.mail' },
      ],
    ],
  ],
  [
    'set operations',
    [
      [
        'SELECT id FROM (SELECT id, length(mail) AS l, 1 AS n FROM u UNION ALL SELECT id, length(mail), 2 FROM u) WHERE l > n',
        { id: 'u.id u.mail', '(rows)': 'u.mail' },
      ],
      ["SELECT x FROM (SELECT mail AS x FROM u UNION ALL SELECT title FROM t) WHERE x > 'a'", { x: 't.title u.mail' }],
      ['SELECT title FROM t UNION SELECT mail FROM u', { title: 't.title u.mail' }],
      [
        'SELECT id, title FROM t UNION ALL BY NAME SELECT mail AS title, born FROM u',
        { id: 't.id', title: 't.title u.mail', born: 'u.born' },
      ],
      ['SELECT mail FROM u EXCEPT SELECT title FROM t', { mail: 't.title u.mail' }],
      ['(SELECT title FROM t) INTERSECT (SELECT mail FROM u) ORDER BY title LIMIT 3', { title: 't.title u.mail' }],
      [
        'SELECT title FROM t UNION ALL (SELECT mail FROM u LIMIT (SELECT max(votes) FROM t))',
        { title: 't.title t.votes u.mail', '(rows)': 't.votes' },
      ],
      [
        "SELECT * FROM (SELECT * FROM u UNION ALL SELECT * FROM u) WHERE mail > 'a'",
        { id: 'u.id', mail: 'u.mail', born: 'u.born', tags: 'u.tags', home: 'u.home' },
      ],
      [
        "SELECT id FROM t UNION ALL BY NAME SELECT COLUMNS('i.*') FROM u",
        { id: 't.id u.born u.home u.id u.mail u.tags', mail: 'u.born u.home u.id u.mail u.tags' },
      ],
      [
        'SELECT EXISTS (SELECT mail FROM u EXCEPT SELECT title FROM t) AS e, EXISTS (FROM u WHERE born IS NULL) AS f',
        { e: 't.title u.mail', f: 'u.born' },
      ],
    ],
  ],
  [
    'which part of a union a row is of',
    [
      [
        "SELECT id, 'high' AS k FROM u WHERE born < DATE '2008-01-01' UNION ALL SELECT id, 'low' FROM u WHERE born >= DATE '2008-01-01'",
        { id: 'u.id', k: 'u.born' },
      ],
      [
        "WITH a AS (SELECT id, 'high' AS k FROM u WHERE mail > 'a'), b AS (SELECT id, 'low' AS k FROM u) SELECT * FROM a UNION SELECT * FROM b UNION SELECT id, 'none' FROM t WHERE votes > 3",
        { id: 't.id u.id', k: 'u.mail' },
      ],
      [
        "SELECT id, votes AS v FROM t WHERE votes > 3 UNION ALL BY NAME SELECT id FROM t WHERE title > 'a'",
        { id: 't.id', v: 't.title t.votes' },
      ],
      [
        "SELECT count(v) AS n FROM (SELECT id, votes AS v FROM t WHERE title > 'a' UNION ALL BY NAME SELECT id FROM t WHERE title <= 'a') GROUP BY id",
        { n: 't.title' },
      ],
      [
        "SELECT id, 'user' AS k FROM u WHERE mail IS NOT NULL UNION ALL SELECT id, 'title' FROM t WHERE votes > 3",
        { id: 't.id u.id', k: '' },
      ],
      [
        "SELECT u.id, 'a' AS k FROM u JOIN t ON u.mail = t.title UNION ALL SELECT u.id, 'b' FROM u JOIN t AS x ON u.mail = x.title",
        { id: 'u.id', k: '' },
      ],
      [
        'SELECT title, count(*) AS n FROM t WHERE votes > 3 GROUP BY title UNION ALL SELECT title, count(*) FROM t WHERE votes <= 3 GROUP BY title',
        { title: 't.title', n: '' },
      ],
    ],
  ],
  [
    'rows made of values',
    [
      ['SELECT unnest(home) FROM u', { city: 'u.home', zip: 'u.home', '(rows)': 'u.home' }],
      ['SELECT id, unnest(tags) AS tag FROM u', { id: 'u.id u.tags', tag: 'u.tags', '(rows)': 'u.tags' }],
      ['SELECT id, tag FROM u, unnest(tags) AS x(tag)', { id: 'u.id u.tags', tag: 'u.tags', '(rows)': 'u.tags' }],
      [
        'SELECT x.tag, n FROM u, unnest(u.tags) WITH ORDINALITY AS x(tag, n)',
        { tag: 'u.tags', n: 'u.tags', '(rows)': 'u.tags' },
      ],
      ['SELECT x FROM u, unnest(tags) AS x', { x: 'u.tags', '(rows)': 'u.tags' }],
      ['SELECT n, title FROM t, range(votes) AS r(n)', { n: 't.votes', title: 't.title t.votes', '(rows)': 't.votes' }],
      ['SELECT range FROM range(3)', { range: '' }],
      ['SELECT value FROM t, json_each(facts)', { value: 't.facts', '(rows)': 't.facts' }],
      [
        'WITH a AS (SELECT id, unnest(tags) AS x FROM u) SELECT count(*) AS n FROM a',
        { n: 'u.tags', '(rows)': 'u.tags' },
      ],
      [
        'SELECT unnest([{a: id, b: title}], recursive := true) FROM t',
        { a: 't.id t.title', b: 't.id t.title', '(rows)': 't.id t.title' },
      ],
      ['SELECT * FROM unnest([{a: 1, b: 2}])', { unnest: '' }],
    ],
  ],
  [
    'what decides how many rows are made of one',
    [
      [
        'SELECT title FROM t WHERE EXISTS (SELECT 1 FROM u WHERE length(u.mail) > t.votes)',
        { title: 't.title t.votes u.mail', '(rows)': 't.votes u.mail' },
      ],
      [
        'SELECT title FROM t WHERE votes > (SELECT avg(length(mail)) FROM u)',
        { title: 't.title t.votes u.mail', '(rows)': 't.votes u.mail' },
      ],
      [
        'SELECT u.id, t.title FROM u ASOF JOIN t ON u.id = t.id AND length(u.mail) >= t.votes',
        { id: 't.votes u.id u.mail', title: 't.title t.votes u.mail', '(rows)': 't.votes u.mail' },
      ],
      [
        'SELECT u.id FROM u JOIN t ON lower(u.mail) = t.title',
        { id: 't.title u.id u.mail', '(rows)': 't.title u.mail' },
      ],
      [
        'SELECT u.id FROM u JOIN t ON u.mail = t.title OR u.born IS NULL',
        { id: 't.title u.born u.id u.mail', '(rows)': 't.title u.born u.mail' },
      ],
      ['SELECT a.id FROM u AS a JOIN u AS b ON a.born < b.born', { id: 'u.born u.id', '(rows)': 'u.born' }],
      [
        'WITH a AS (SELECT id, votes FROM t) SELECT x.id FROM a AS x JOIN a AS y ON x.votes > y.votes',
        { id: 't.id t.votes', '(rows)': 't.votes' },
      ],
      [
        'SELECT id FROM (SELECT u.id, length(mail) - n AS d FROM u, range(9) AS r(n)) WHERE d > 0',
        { id: 'u.id u.mail', '(rows)': 'u.mail' },
      ],
      ['SELECT title FROM t LIMIT (SELECT max(length(mail)) FROM u)', { title: 't.title u.mail', '(rows)': 'u.mail' }],
      [
        'SELECT n FROM u, LATERAL (WITH x AS (SELECT n FROM range(9) AS r(n) WHERE n < length(u.mail)) SELECT n FROM x) AS y',
        { n: 'u.mail', '(rows)': 'u.mail' },
      ],
      [
        'SELECT t.id FROM t WHERE (id, votes) IN (SELECT id, length(mail) FROM u)',
        { id: 't.id t.votes u.id u.mail', '(rows)': 't.id t.votes u.id u.mail' },
      ],
      [
        'SELECT id FROM t WHERE EXISTS (FROM u WHERE u.id = t.id AND EXISTS (FROM u AS v WHERE v.born > u.born))',
        { id: 't.id u.born', '(rows)': 'u.born' },
      ],
      [
        'SELECT id FROM t, (SELECT max(length(mail)) AS m FROM u) AS x WHERE votes < m',
        { id: 't.id t.votes u.mail', '(rows)': 't.votes u.mail' },
      ],
      ['SELECT id FROM t, (SELECT 5 AS m FROM u) AS x WHERE votes < m', { id: 't.id' }],
      [
        'SELECT coalesce(t.id, u.id) AS id FROM t FULL JOIN u ON t.id = u.id WHERE coalesce(t.id, u.id) > 3',
        { id: 't.id u.id', '(rows)': 't.id u.id' },
      ],
      [
        'SELECT u.id FROM (SELECT row_number() OVER () AS n FROM t) AS a, u WHERE n <= length(mail)',
        { id: 'u.id u.mail', '(rows)': 'u.mail' },
      ],
      [
        'SELECT u.id FROM (SELECT count(*) AS n FROM t GROUP BY title) AS a, u WHERE n <= length(mail)',
        { id: 'u.id u.mail', '(rows)': 'u.mail' },
      ],
      [
        'SELECT id FROM (SELECT u.id, length(mail) AS l, row_number() OVER (PARTITION BY u.id) AS n FROM u, t) WHERE n <= l',
        { id: 'u.id u.mail', '(rows)': 'u.id u.mail' },
      ],
    ],
  ],
  [
    'other relations and names',
    [
      ['SELECT a, b FROM (VALUES (1, 2), (3, 4)) AS v(a, b)', { a: '', b: '' }],
      ['SELECT * FROM (VALUES ((SELECT max(mail) FROM u), 2)) AS v(a, b)', { a: 'u.mail', b: '' }],
      ['VALUES (1, 2)', { col0: '', col1: '' }],
      [
        "SELECT * FROM (PIVOT t ON title IN ('a', 'b') USING sum(votes) GROUP BY id)",
        { id: 't.facts t.id t.title t.votes', a: 't.facts t.id t.title t.votes', b: 't.facts t.id t.title t.votes' },
      ],
      [
        'SELECT n, v FROM (UNPIVOT (SELECT id, mail, mail AS m FROM u) ON mail, m INTO NAME n VALUE v)',
        { n: 'u.id u.mail', v: 'u.id u.mail' },
      ],
      ['SELECT #2 AS x FROM t', { x: 't.facts t.id t.title t.votes' }],
      ['SELECT price FROM "other.t" AS t', { price: 'other.t.price' }],
      ['SELECT t.price, "other.t".id FROM "other.t", (SELECT 1 AS price) AS t', { price: '', id: 'other.t.id' }],
      ['SELECT rowid AS r FROM t', { r: '?' }],
      ['SELECT id, x FROM t, (SELECT column_name AS x FROM (DESCRIBE t))', { id: '?', x: '?', '(rows)': '?' }],
      ['SELECT \'u.mail\' AS a, "mail" AS "Mail" FROM u', { a: '', mail: 'u.mail' }],
    ],
  ],
])('%s', (_what, cases) => {
  test.each(cases)('%s', async (sql, expected) => {
    expect(await lineage(sql)).toEqual(expected)
  })
})
