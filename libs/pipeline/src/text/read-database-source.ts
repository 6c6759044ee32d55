import type { DatabaseSource } from '../checked/database-source.ts'
import type { DatabaseSourceText } from './database-source-schema.ts'
import { checkUrl, siteOf, type SourcePlace } from './source-place.ts'

export function readDatabaseSource(
  name: string,
  source: DatabaseSourceText,
  { text, path, problems }: SourcePlace,
): DatabaseSource {
  checkUrl(source.url, DATABASE_SCHEMES, { text, path: [...path, 'url'], problems })
  const password = /^[a-z]+:\/\/[^/@:]*:(.+)@/i.exec(source.url)?.[1]
  if (password !== undefined && !/^\$\{secret:[^}]*\}$/.test(password)) {
    problems.error(
      text.at([...path, 'url']),
      'the password is not kept as a secret',
      'write `${secret:NAME}` in its place and keep it with the secrets',
    )
  }
  const datasets = Object.entries(source.datasets ?? {}).map(([dataset, { table, incremental }]) => {
    const [schema, ...rest] = table.split('.')
    const tableName = rest.join('.')
    if (schema === undefined || schema === '' || tableName === '') {
      problems.error(
        text.at([...path, 'datasets', dataset, 'table']),
        `the table '${table}' has no schema`,
        `expected \`schema.table\`, such as \`${defaultSchema(source.url)}.${table}\``,
      )
    }
    return {
      name: dataset,
      table: { schema: schema ?? '', name: tableName },
      ...(incremental === undefined ? {} : { incremental: { column: incremental } }),
    }
  })
  for (const key of ['include', 'exclude'] as const) {
    for (const [index, pattern] of (source.tables?.[key] ?? []).entries()) {
      if (pattern.includes('.')) continue
      problems.error(
        text.at([...path, 'tables', key, index]),
        `the pattern '${pattern}' has no schema`,
        `expected \`schema.table\` with \`*\` for any text, such as \`${defaultSchema(source.url)}.${pattern}\``,
      )
    }
  }
  return {
    type: 'database',
    name,
    url: source.url,
    ...siteOf(source),
    include: source.tables?.include ?? [],
    exclude: source.tables?.exclude ?? [],
    datasets,
  }
}

const DATABASE_SCHEMES = ['postgres', 'postgresql', 'mssql']
const defaultSchema = (url: string) => (url.startsWith('mssql') ? 'dbo' : 'public')
