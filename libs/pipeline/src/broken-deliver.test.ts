import { describe, expect, test } from 'vitest'
import { describeBroken, edit, P } from './fixtures/broken.fixture.ts'
import { GOOD, textFolder } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { fileName, manifestName, tellsWindows } from './file-names.ts'
import { planRun } from './plan.ts'
import { readPipeline } from './read-pipeline.ts'

/** The good folder with a delivery. */
const deliver = (rest: string, tables = 'sales') =>
  edit(P, 'serve:\n', `deliver:\n  partner:\n    path: \${OUT:-out}\n    tables: [${tables}]\n${rest}serve:\n`)

const elsewhere = (path: string, rest = '') =>
  edit(P, 'serve:\n', `deliver:\n  partner:\n    path: ${path}\n    format: csv\n    tables: [sales]\n${rest}serve:\n`)

describeBroken(
  'what is handed on',
  [
    {
      name: 'an unknown table',
      change: deliver('    format: csv\n', 'slaes'),
      file: P,
      at: 'tables: [slaes]',
      message: 'unknown table `slaes`',
      remedy: 'did you mean `sales`?',
    },
    {
      name: 'an unknown column',
      change: deliver('    format: csv\n', '{ table: dim_user, columns: [user_id, coutnry] }'),
      file: P,
      at: 'tables: [{',
      message: '`columns` names the unknown column `coutnry` of `dim_user`',
      remedy: 'did you mean `country`?',
    },
    {
      name: 'an unknown placeholder',
      change: deliver("    format: csv\n    file: '{table}_{day}.csv'\n"),
      file: P,
      at: 'file:',
      message: 'unknown placeholder `{day}` in `file`',
      remedy: 'expected one of `table`, `window`, `date`',
    },
    {
      name: 'a file beside the place',
      change: deliver('    format: csv\n    file: ../sales.csv\n'),
      file: P,
      at: 'file:',
      message: '`file` is no name of a file below the path',
      remedy: 'expected a name such as `sales_{date}.csv`',
    },
    {
      name: 'two tables in one file',
      change: deliver("    format: csv\n    file: 'all_{date}.csv'\n", 'sales, { table: dim_user, exclude: [email] }'),
      file: P,
      at: 'file:',
      message: 'the file of `dim_user` has the name of the file of `sales`',
      remedy: 'put `{table}` into `file`',
    },
    {
      name: 'options of another format',
      change: deliver("    format: xlsx\n    csv: { delimiter: ';' }\n"),
      file: P,
      at: 'csv: {',
      message: '`csv` does not go with `format: xlsx`',
      remedy: 'remove it',
    },
    {
      name: 'a format that there is none of',
      change: deliver('    format: xls\n'),
      file: P,
      at: 'format: xls',
      message: '`deliver.partner.format` is wrong',
      remedy: 'did you mean `xlsx`?',
    },
    {
      name: 'a signature that is in the text',
      change: deliver('    format: csv\n    auth: { sas: sv=2026&sig=abc }\n'),
      file: P,
      at: 'sv=2026',
      message: 'the sas is not kept as a secret',
      remedy: "'${secret:NAME}'",
    },
    {
      name: 'a server that nothing can be written to',
      change: elsewhere('https://files.example.org/in'),
      file: P,
      at: 'path: https',
      message: 'nothing can be written to an HTTP server',
      remedy: 'expected a folder, Azure, S3 or SFTP',
    },
    {
      name: 'an SFTP server of which nothing says which one it is',
      change: elsewhere('sftp://me@files.example.org/in', "    auth: { password: '${secret:P}' }\n"),
      file: P,
      at: 'path: sftp',
      message: 'no `hostKey` says which server it is',
      remedy: 'ssh-keygen -lf',
    },
    {
      name: 'personal data that analysts may have',
      change: deliver('    format: csv\n', 'users'),
      file: P,
      at: 'tables: [users]',
      message: '`users` would carry personal data into files: `email`',
      remedy: 'cinelake.allowedIn: [refined, files]',
    },
  ],
  { withEngine: true },
)

describe('a delivery', () => {
  test('is one task after all its tables', async () => {
    await using typers = await openTypers()
    const files = deliver(
      '    format: csv\n',
      'sales, { table: dim_user, as: users, exclude: [email, full_name] }',
    )(GOOD)

    const { pipeline, problems } = await readPipeline(textFolder(files), { typer: await typers.typer() })

    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(pipeline && planRun(pipeline).at(-1)).toEqual({
      name: 'deliver partner',
      queue: 'loader',
      needs: ['build sales', 'build dim_user'],
      work: { kind: 'deliver', delivery: 'partner', tables: ['sales', 'dim_user'], perWindow: true },
    })
    expect(pipeline?.deliver?.[0]?.tables[1]).toMatchObject({
      as: 'users',
      primaryKey: expect.arrayContaining(['user_id']) as string[],
      columns: expect.not.arrayContaining([expect.objectContaining({ name: 'email' })]) as unknown[],
    })
  })

  test('names its files by table and window', () => {
    const window = { label: '2026-03-01T05+01:00' }

    expect(fileName('{yyyy}/{MM}/{table}_{dd}{HH}.csv', 'sales', window)).toBe('2026/03/sales_0105.csv')
    expect(fileName('{table}_{window}.csv', 'sales', window)).toBe('sales_2026-03-01T05+0100.csv')
    expect(fileName('{table}_{date}.csv', 'sales', { label: '2026-03' })).toBe('sales_2026-03-01.csv')
    expect(manifestName('{date}/{table}.csv', 'partner', window)).toBe('2026-03-01/partner.csv.manifest.json')
  })

  test.each([
    ['{table}.csv', 'day', false],
    ['{table}_{date}.csv', 'day', true],
    ['{table}_{date}.csv', 'month', true],
    ['{table}_{date}.csv', 'hour', false],
    ['{table}_{date}{HH}.csv', 'hour', true],
    ['{table}_{yyyy}{MM}.csv', 'day', false],
    ['{window}/{table}.csv', 'hour', true],
  ] as const)('%s tells each %s: %s', (pattern, every, expected) => {
    expect(tellsWindows(pattern, every)).toBe(expected)
  })
})
