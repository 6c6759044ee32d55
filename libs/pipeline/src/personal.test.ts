import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { personalColumns, type RefinedTable } from './check/personal.ts'
import { GOOD, textFolder, withText, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { ROWS } from './sql/lineage.ts'
import { parseQuery, type ParsedQuery } from './sql/parse.ts'
import { readPipeline } from './read-pipeline.ts'

const types = (columns: Record<string, string>) => Object.entries(columns).map(([name, type]) => ({ name, type }))

const users: RefinedTable = {
  name: 'users',
  columns: types({ id: 'BIGINT', email: 'VARCHAR', born: 'DATE', country: 'VARCHAR', tags: 'VARCHAR[]' }),
  personal: new Map([
    ['email', { allowedIn: ['refined'], from: ['users.email'] }],
    ['born', { allowedIn: ['refined', 'mart'], from: ['users.born'] }],
  ]),
  descriptions: {},
}
const titles: RefinedTable = {
  name: 'titles',
  columns: types({ id: 'BIGINT', title: 'VARCHAR' }),
  personal: new Map(),
  descriptions: {},
}

let typers: Awaited<ReturnType<typeof openTypers>>
beforeAll(async () => {
  typers = await openTypers()
})
afterAll(async () => {
  await typers[Symbol.asyncDispose]()
})

async function parsed(sql: string): Promise<ParsedQuery> {
  const query = await parseQuery(await typers.typer(), sql)
  if ('message' in query) throw new Error(query.message)
  return query
}

describe('which columns of a result are personal', () => {
  /** The SELECT, and the personal columns of its result by the engine's names. */
  test.each<[string, string[]]>([
    ['SELECT id, country FROM users', []],
    ['SELECT email FROM users', ['email']],
    ['SELECT EMAIL AS contact FROM Users', ['contact']],
    ['SELECT lower(email) FROM users', ['lower(email)']],
    ['SELECT * FROM users', ['email', 'born']],
    ['FROM users', ['email', 'born']],
    ['SELECT * EXCLUDE (email) FROM users', ['born']],
    ['SELECT * EXCLUDE (email, born) FROM users', []],
    ['SELECT * RENAME (email AS e) FROM users', ['e', 'born']],
    ["SELECT COLUMNS('e.*') FROM users", ['email']],
    ['SELECT u.* FROM titles AS t JOIN users AS u USING (id)', ['email', 'born']],
    ['SELECT t.* FROM titles AS t JOIN users AS u USING (id)', []],
    ['SELECT u FROM users AS u', ['u']],
    ['SELECT md5(CAST(users AS VARCHAR)) AS h FROM users', ['h']],
    [
      'SELECT email.lower() AS m, users.email.lower() AS n, country.lower() AS c, main.lower(country) AS d FROM users',
      ['m', 'n'],
    ],
    ['SELECT country, count(email.length()) AS n FROM users GROUP BY country', ['n']],
    [
      'SELECT t.id, (SELECT u.id FROM users AS u ORDER BY email LIMIT 1) AS v, t.id IN (SELECT id FROM users ORDER BY born LIMIT 3) AS w, (SELECT id FROM users ORDER BY country LIMIT 1) AS x FROM titles AS t',
      ['v', 'w'],
    ],
    [
      'SELECT t.id, EXISTS (SELECT 1 FROM (SELECT DISTINCT ON (ascii(email)) id FROM users) AS u WHERE u.id = t.id) AS v FROM titles AS t',
      ['v'],
    ],
    [
      'SELECT t.id, (SELECT v FROM (SELECT id AS v, email FROM users UNION ALL SELECT id, title FROM titles ORDER BY 2 LIMIT 1)) AS v FROM titles AS t',
      ['v'],
    ],
    [
      "WITH adults AS (SELECT id FROM users WHERE born < DATE '2008-01-01') SELECT id, u.country, a.id IS NOT NULL AS adult FROM users AS u LEFT JOIN adults AS a USING (id)",
      ['adult'],
    ],
    [
      "WITH found AS (SELECT id FROM users WHERE country = 'DE') SELECT id, a.id IS NOT NULL AS is_german FROM users AS u LEFT JOIN found AS a USING (id)",
      [],
    ],
    ['SELECT country, count(email) AS n, count(DISTINCT email) AS d FROM users GROUP BY country', []],
    ["SELECT country, count(CASE WHEN email LIKE 'a%' THEN 1 END) AS n FROM users GROUP BY country", ['n']],
    ["SELECT country, count(*) FILTER (WHERE email LIKE 'a%') AS n FROM users GROUP BY country", ['n']],
    [
      "SELECT count_if(email LIKE 'a%') AS n, count(nullif(email, 'a')) AS m, count(DISTINCT ascii(email)) AS d FROM users",
      ['n', 'm', 'd'],
    ],
    [
      "SELECT country, count(u) AS n FROM (SELECT country, CASE WHEN email > 'm' THEN 1 END AS u FROM users) GROUP BY country",
      ['n'],
    ],
    ['SELECT country, count(u.e) AS n FROM (SELECT country, email AS e FROM users) AS u GROUP BY country', []],
    ['SELECT country, count(CASE WHEN country IS NOT NULL THEN 1 END) AS n FROM users GROUP BY country', []],
    [
      'SELECT id, count(DISTINCT u) AS c FROM (SELECT id, unnest(range(ascii(email)::BIGINT)) AS u FROM users) GROUP BY id',
      ['id', 'c'],
    ],
    ['SELECT id, count(*) AS c FROM users, unnest(range(ascii(email))) AS x(u) GROUP BY id', ['id', 'c']],
    [
      'SELECT id, "count"(*) AS c FROM users, LATERAL (SELECT unnest(string_split(email, \'a\'))) GROUP BY id',
      ['id', 'c'],
    ],
    ['SELECT id, count(*) AS c FROM users, range(300) AS x(n) WHERE n < ascii(email) GROUP BY id', ['id', 'c']],
    [
      'SELECT u.id, count(*) AS c FROM users AS u JOIN titles AS t ON t.id <= length(u.email) GROUP BY u.id',
      ['id', 'c'],
    ],
    ['SELECT u.id, t.id AS c FROM users AS u JOIN titles AS t ON t.id = ascii(u.email)', ['id', 'c']],
    [
      'WITH r AS (SELECT id, unnest(range(ascii(email))) AS n FROM users), s AS (SELECT id FROM r) SELECT id, count(*) AS c FROM s GROUP BY id',
      ['id', 'c'],
    ],
    [
      'WITH n AS (SELECT id, ascii(email) AS a FROM users) SELECT id, sum(1) AS c FROM n, range(200) AS x(k) WHERE k < a GROUP BY id',
      ['id', 'c'],
    ],
    [
      'WITH RECURSIVE r AS (SELECT id, ascii(email) AS n FROM users UNION ALL SELECT id, n - 1 FROM r WHERE n > 0) SELECT id, count(*) AS c FROM r GROUP BY id',
      ['id', 'c'],
    ],
    ['SELECT count(*) AS c FROM (SELECT 1 FROM range(300) LIMIT (SELECT ascii(email) FROM users WHERE id = 1))', ['c']],
    [
      "SELECT id, len(range(ascii(email))) AS l, instr(email, 'a') AS i, levenshtein(email, country) AS d FROM users",
      ['l', 'i', 'd'],
    ],
    ['SELECT id, row_number() OVER (ORDER BY email) AS r, count(*) OVER (PARTITION BY country) AS n FROM users', ['r']],
    ["SELECT country, count(*) AS adults FROM users WHERE born < DATE '2000-01-01' GROUP BY country", []],
    ['SELECT tag, count(DISTINCT id) AS n FROM users, unnest(tags) AS x(tag) GROUP BY tag', []],
    ['SELECT min(email) AS m, max_by(id, email) AS x FROM users', ['m', 'x']],
    ['SELECT title FROM titles UNION ALL SELECT email FROM users', ['title']],
    ['SELECT email AS a FROM users EXCEPT SELECT title FROM titles', ['a']],
    ['WITH a AS (SELECT * FROM users), b(x, y) AS (SELECT id, email FROM a) SELECT x, upper(y) AS z FROM b', ['z']],
    ['WITH a AS (SELECT id, count(email) AS n FROM users GROUP BY id) SELECT n FROM a', []],
    ['WITH users AS (SELECT id, country FROM users) SELECT * FROM users', []],
    ['WITH p AS (SELECT * FROM users) SELECT md5(CAST(p AS VARCHAR)) AS h FROM p', ['h']],
    ['SELECT * FROM (WITH x AS (SELECT email FROM users) SELECT email FROM x)', ['email']],
    ['SELECT (SELECT max(u.email) FROM users AS u WHERE u.id = t.id) AS m FROM titles AS t', ['m']],
    ['SELECT id FROM users WHERE email LIKE :window_start', []],
    ['SELECT t.title FROM titles AS t JOIN users AS u ON t.title = u.email', []],
    ['SELECT id, tag FROM users, unnest(tags) AS x(tag)', []],
    ['SELECT list_transform(tags, lambda z: z || email) AS l FROM users', ['l']],
    ["SELECT {'mail': email} AS s FROM users", ['s']],
    ['SELECT email AS e, id || e AS f FROM users', ['e', 'f']],
    [
      `WITH RECURSIVE r AS (
         SELECT 1 AS n, CAST(id AS VARCHAR) AS e FROM users UNION ALL SELECT n + 1, email FROM r JOIN users ON n < 3
       ) SELECT n, e FROM r`,
      ['e'],
    ],
    ['SELECT v FROM (UNPIVOT users ON email, country INTO NAME n VALUE v)', ['v']],
  ])('%s', async (sql, personal) => {
    const typer = await typers.typer()
    for (const { name, columns } of [users, titles]) await typer.createTable(name, columns)
    const columns = await typer.describe(sql.replace(':window_start', "'x'"))

    const found = personalColumns(await parsed(sql), [users, titles], columns)

    expect(columns.map(({ name }) => name).filter((name) => found.has(name.toLowerCase()))).toEqual(personal)
  })

  test('data of several columns goes only where each of them may', async () => {
    const found = personalColumns(
      await parsed('SELECT born || email AS pair, born FROM users'),
      [users],
      types({ pair: 'VARCHAR', born: 'DATE' }),
    )

    expect(found.get('pair')).toEqual({ allowedIn: ['refined'], from: ['users.born', 'users.email'] })
    expect(found.get('born')?.allowedIn).toEqual(['refined', 'mart'])
  })

  test('subqueries that are nested deeply are followed once each', async () => {
    let sql = 'SELECT id FROM users WHERE length(email) > 2'
    for (let depth = 0; depth < 18; depth++) sql = `SELECT id FROM titles AS t${depth} WHERE t${depth}.id IN (${sql})`

    const found = personalColumns(
      await parsed(`SELECT id, id IN (${sql}) AS v FROM titles`),
      [users, titles],
      types({ id: 'BIGINT', v: 'BOOLEAN' }),
    )

    expect([...found.keys()]).toEqual(['v'])
  })

  test('of a query that cannot be followed everything may be personal', async () => {
    const found = personalColumns(
      await parsed("SELECT * FROM (PIVOT users ON country IN ('de') USING min(email))"),
      [users],
      types({ id: 'BIGINT', de: 'VARCHAR' }),
    )

    expect([...found.keys()].filter((name) => name !== ROWS)).toEqual(['id', 'de'])
  })
})

describe('personal data and models', () => {
  const through: Files = {
    ...withText(GOOD, 'pipeline.yaml', '- sales\n', '- sales\n  - reach\n'),
    'models/contact.sql': "SELECT user_id, lower(email) AS mail, date_part('year', birth_date) AS born FROM users",
    'models/reach.sql': 'SELECT user_id, born, mail AS how FROM contact WHERE mail IS NOT NULL',
  }
  const problemsOf = async (files: Files) =>
    (await readPipeline(textFolder(files), { typer: await typers.typer() })).problems

  test('it is followed through any number of models to the contract that it comes from', async () => {
    const problems = await problemsOf(through)

    expect(problems.map(({ message }) => message)).toEqual([
      '`reach` would carry personal data to the mart: `born`, from users.birth_date',
      '`reach` would carry personal data to the mart: `how`, from users.email',
    ])
  })

  test('rows that were made of it are counted in no later model, whatever is joined to them', async () => {
    const multiplied = {
      ...withText(GOOD, 'pipeline.yaml', '- sales\n', '- sales\n  - letters\n'),
      'models/spread.sql': 'SELECT user_id, unnest(range(ascii(email))) AS n FROM users',
      'models/letters.sql':
        'SELECT o.order_id, count(*) AS c FROM orders AS o JOIN spread AS s ON s.user_id = o.user_id GROUP BY o.order_id',
    }
    const found = await problemsOf(multiplied)

    expect(found.map(({ message }) => message)).toContain(
      '`letters` would carry personal data to the mart: `c`, from users.email',
    )
  })

  test('what the contract lets go to the mart may go there', async () => {
    const allowed = withText(
      withText(
        through,
        'contracts/users.yaml',
        'email, logicalType: string, classification: personal,',
        'email, logicalType: string, classification: personal, customProperties: [{ property: cinelake.allowedIn, value: [refined, mart] }],',
      ),
      'models/reach.sql',
      ' born,',
      '',
    )

    expect(await problemsOf(allowed)).toEqual([])
  })

  test('what a model has made harmless is no longer personal, in the models behind it as well', async () => {
    const anonymous = {
      ...through,
      'models/contact.sql': `/*\nanonymous: [born, mail]\n*/\n${through['models/contact.sql'] ?? ''}`,
    }

    expect(await problemsOf(anonymous)).toEqual([])
  })
})
