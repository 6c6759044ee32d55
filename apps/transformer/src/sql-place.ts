import { literal } from '@cinelake/sql'
import { SqlFailedError, SqlInvalidError, type SqlSession } from '@cinelake/engine'
import { failingRowsQuery, placeInRule, type RowRule, type TableRule } from '@cinelake/pipeline'

type Rules = { readonly rowRules: readonly RowRule[]; readonly tableRules: readonly TableRule[] }

/** An error of the engine about SQL. */
export type SqlError = SqlFailedError | SqlInvalidError

export function isOfSql(error: unknown): error is SqlError {
  return error instanceof SqlFailedError || error instanceof SqlInvalidError
}

/**
 * An error of a conversion with the number of rows that have a value which does not convert.
 * @param sql in which it failed; what it reads is still there
 */
export async function withFailingRows(error: unknown, sql: string, session: SqlSession): Promise<unknown> {
  const offset = error instanceof SqlFailedError ? error.offsetIn(sql) : undefined
  if (!(error instanceof SqlFailedError) || offset === undefined) return error
  try {
    const tree = await failingRowsQuery(session, sql, offset)
    if (tree === undefined) return error
    const [query] = await session.rows<{ sql: string }>(
      `SELECT json_deserialize_sql(CAST(${literal(tree)} AS JSON)) AS sql`,
    )
    const [rows] = await session.rows<{ failing: number; checked: number }>(query?.sql ?? '')
    return rows === undefined || rows.failing === 0 ? error : error.counted(rows)
  } catch {
    // Something else fails on the same data, or it is converted after rows were grouped: the error stands as it is.
    return error
  }
}

/** Stands for the task's rows in the query of a rule. */
const TABLE = '{table}'

/**
 * Where in a file the SQL of a rule failed: `contracts/orders.yaml:31:22`. A statement holds the text of many rules; the
 * longest in which it failed is the one.
 * @param file of the rules, below the pipeline's folder
 * @returns undefined where it is no rule's SQL that failed
 */
export function placeOfRule(error: SqlError, { rowRules, tableRules }: Rules, file: string): string | undefined {
  const parts = [
    ...rowRules.map((rule) => ({ rule, sql: rule.expression, begin: 0, part: rule.expression })),
    ...tableRules.flatMap((rule) => partsOf(rule.query).map((each) => ({ rule, sql: rule.query, ...each }))),
  ]
  const [found] = parts
    .flatMap((each) => {
      const offset = error.offsetIn(each.part)
      return offset === undefined ? [] : [{ ...each, offset }]
    })
    .toSorted((one, other) => other.part.length - one.part.length)
  return found && placeInRule(file, found.rule, found.sql, found.begin + found.offset)
}

/** What is between the places of the rows. */
function partsOf(query: string): { readonly begin: number; readonly part: string }[] {
  let next = 0
  return query.split(TABLE).map((part) => {
    const begin = next
    next += part.length + TABLE.length
    return { begin, part }
  })
}
