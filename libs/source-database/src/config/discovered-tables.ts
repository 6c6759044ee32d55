import type { TableName } from '@cinelake/contracts'
import { compilePattern, repeat, sequence, type Pattern } from '@cinelake/core'

type Patterns = { readonly include: readonly string[]; readonly exclude: readonly string[] }

/** Whether a discovered table is one that the source copies: matched by `include` and not by `exclude`. */
export function isWanted(source: Patterns, table: TableName): boolean {
  const name = `${table.schema}.${table.name}`
  const matches = (pattern: string) => compilePattern(tablePattern(pattern)).match(name) !== undefined
  return source.include.some(matches) && !source.exclude.some(matches)
}

/** The wanted tables that no dataset declares, in order of their names. */
export function undeclaredTables(
  source: Patterns & { readonly datasets: readonly { readonly table: TableName }[] },
  tables: readonly TableName[],
): TableName[] {
  return tables
    .filter((table) => isWanted(source, table) && !source.datasets.some((dataset) => isSame(dataset.table, table)))
    .sort(byName)
}

const isSame = (one: TableName, other: TableName) => one.schema === other.schema && one.name === other.name

/** By code unit, so that the order does not depend on a machine's locale. */
function byName(one: TableName, other: TableName): number {
  const [left, right] = [`${one.schema}.${one.name}`, `${other.schema}.${other.name}`]
  return left < right ? -1 : left > right ? 1 : 0
}

/** `*` matches any text; case is ignored. */
function tablePattern(pattern: string): Pattern {
  const any = repeat({ kind: 'char', test: () => true })
  return sequence(
    ...pattern.split('*').flatMap((text, index) => [...(index > 0 ? [any] : []), ...Array.from(text, caseless)]),
  )
}

function caseless(own: string): Pattern {
  const expression = new RegExp(`^${RegExp.escape(own)}$`, 'isu')
  return { kind: 'char', test: (char) => char === own || expression.test(char) }
}
