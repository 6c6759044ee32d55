// @module-tag slow: starts programs
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

describe('a plan against a commit', () => {
  let given: Awaited<ReturnType<typeof aStarter>>
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', dirname(given.folder), '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args])
  beforeAll(async () => {
    given = await aStarter()
    git('init', '-q', '-b', 'main')
    git('commit', '-q', '--allow-empty', '-m', 'nothing')
    git('tag', 'empty')
    git('add', 'starter')
    git('commit', '-q', '-m', 'the starter')
  })
  afterAll(async () => await given[Symbol.asyncDispose]())

  const against = (revision: string, ...args: string[]) =>
    cinelake(['plan', given.folder, '--against', revision, '--window', '2026-03-01', '--state', given.state, ...args])
  async function edit(file: string, from: string, to: string): Promise<void> {
    const path = join(given.folder, file)
    const text = await readFile(path, 'utf8')
    expect(text).toContain(from)
    await writeFile(path, text.replace(from, to))
  }

  test('that has the same text tells that nothing has changed', async () => {
    expect(await against('HEAD')).toMatchObject({
      exitCode: 0,
      out: '## starter against `HEAD`\n\nNo table has changed.\n',
    })
  })

  test('tells each column and what it reaches, as Markdown and as JSON, and touches nothing', async () => {
    await edit('contracts/orders.yaml', 'DECIMAL(12,2)', 'DECIMAL(14,2)')
    await edit('contracts/orders.yaml', '- name: customer\n', '- name: customer_no\n')
    await edit('models/sales_by_day.sql', 'sum(amount) AS sales', 'sum(amount) AS sales, max(amount) AS largest')

    const { exitCode, out } = await against('main')

    expect({ exitCode, out }).toEqual({
      exitCode: 0,
      out: `## starter against \`main\`

| table | column | effect | change |
|---|---|---|---|
| \`orders\` | \`customer_no\` | **breaking** | added: VARCHAR |
| \`orders\` | \`amount\` | additive | widened: DECIMAL(12,2) → DECIMAL(14,2) |
| \`orders\` | \`customer\` | **breaking** | dropped: VARCHAR |
| \`orders\` | 4 more | unchanged |  |
| \`sales_by_day\` | \`largest\` | additive | added: DECIMAL(14,2) |
| \`sales_by_day\` |  | values | another SELECT, reading or rule: values may become others |
| \`sales_by_day\` | 3 more | unchanged |  |

### Reaches

- \`orders\`: \`sales_by_day\`; in the mart \`sales_by_day\`, \`orders\`
  - \`customer_no\`: no column is made from it; in the mart \`orders\` (\`customer_no\`)
  - \`amount\`: \`sales_by_day\` (\`sales\`, \`largest\`); in the mart \`sales_by_day\` (\`sales\`, \`largest\`), \`orders\` (\`amount\`)
  - \`customer\`: no column is made from it; in the mart \`orders\` (\`customer\`)
- \`sales_by_day\`: no model; in the mart \`sales_by_day\`
  - \`largest\`: no column is made from it; in the mart \`sales_by_day\` (\`largest\`)
- windows, when they are run again: 2026-03-01 to 2026-03-01 (1 window)

### Rows

No rows were compared: no run has made tables yet [lake=file:${join(given.state, 'lake')}].

### Measures

Reached: \`sales_by_day.orders\`, \`sales_by_day.sales\`, \`sales_by_day.largest\`.
`,
    })
    expect(JSON.parse((await against('main', '--json')).out)).toMatchObject({
      pipeline: 'starter',
      against: 'main',
      windows: ['2026-03-01'],
      reach: [
        { column: 'customer_no' },
        { column: 'amount' },
        { column: 'customer' },
        { column: 'largest' },
        { table: 'sales_by_day' },
      ],
      measures: [{ column: 'orders' }, { column: 'sales' }, { column: 'largest' }],
      rows: { windows: [], landed: 0, tables: [] },
      tables: [
        { table: 'orders', state: 'changed' },
        { table: 'sales_by_day', state: 'changed', hasOtherValues: true },
      ],
    })
    expect(String(git('status', '--porcelain'))).not.toContain('??')
  })

  test('in which there was no such pipeline tells that its tables are new', async () => {
    expect((await against('empty')).out).toContain('| `orders` |  | additive | new, 6 columns |')
  })

  test.each([['nonsense'], ['--help'], ['HEAD; rm -rf .']])('that is not there, %s, is told so', async (revision) => {
    const { exitCode, notes } = await against(revision)
    expect(exitCode).toBe(2)
    expect(notes).toContain(
      `${given.folder} at ${revision}: there is no such commit; expected a branch, a tag or a commit`,
    )
    expect(notes).not.toContain('Command failed')
  })

  test('in no repository is told so', async () => {
    await using alone = await aStarter()

    const { exitCode, notes } = await cinelake(['plan', alone.folder, '--against', 'main', '--state', alone.state])

    expect(exitCode).toBe(2)
    expect(notes).toContain(`${alone.folder} at main: expected a folder in a git repository, got one in none`)
    expect(notes).not.toContain('Command failed')
  })
})
