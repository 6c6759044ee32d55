import {
  type RunnableModel,
  SqlFailedError,
  SqlInvalidError,
  type SqlSession,
  refuseForeignSql,
} from '@cinelake/engine'
import { type RowRule, type TableRule, failingRowsQuery, placeInRule } from '@cinelake/pipeline'
import { identifier, literal } from '@cinelake/sql'

type Rules = { readonly rowRules: readonly RowRule[]; readonly tableRules: readonly TableRule[] }

/** An engine error about SQL. */
export type SqlError = SqlFailedError | SqlInvalidError

export function isOfSql(error: unknown): error is SqlError {
  return error instanceof SqlFailedError || error instanceof SqlInvalidError
}

/**
 * Adds to a conversion error the number of rows with a value that does not convert.
 * @param sql the failed query; its inputs still exist
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
    // Another part fails on the same data, or the conversion comes after grouping: the error stays unchanged.
    return error
  }
}

/** Placeholder for the task's rows in the query of a rule. */
const TABLE = '{table}'

/**
 * Locates in a file the SQL of a rule that failed: `contracts/orders.yaml:31:22`. A statement contains the text of many
 * rules; the longest one in which it failed is reported.
 * @param file of the rules, below the pipeline's folder
 * @returns undefined where the error is not in a rule's SQL
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

/** The text between the placeholders of the rows. */
function partsOf(query: string): { readonly begin: number; readonly part: string }[] {
  let next = 0
  return query.split(TABLE).map((part) => {
    const begin = next
    next += part.length + TABLE.length
    return { begin, part }
  })
}

// SQL from a pipeline's text is checked before the engine runs it: `validate` has done so, but another version may have
// checked the pipeline, or it may have been put into the lake by other means.

type Session = Pick<SqlSession, 'audit'>
type CheckedRules = Pick<RunnableModel, 'tableRules'> & {
  readonly rowRules: readonly Pick<RunnableModel['rowRules'][number], 'name' | 'expression'>[]
}

/** @throws {ENGINE_SQL_REFUSED} terminal: a rule does more than read its rows */
export async function checkRuleSql(session: Session, { rowRules, tableRules }: CheckedRules): Promise<void> {
  for (const { name, expression } of rowRules) {
    await refuseForeignSql(session, `rule ${name}`, expression, { tables: [], as: 'condition' })
  }
  for (const { name, query } of tableRules) {
    const asked = query.replaceAll(TABLE, () => identifier(ROWS))
    await refuseForeignSql(session, `rule ${name}`, asked, { tables: [ROWS] })
  }
}

/** Table name that stands for the rows of the task while a query is checked. */
const ROWS = 'rows_of_task'

/** @throws {ENGINE_SQL_REFUSED} terminal: the model, or a rule of it, reads more than its inputs */
export async function checkModelSql(session: Session, model: RunnableModel, inputs: readonly string[]): Promise<void> {
  const queries = [
    [`model ${model.name}`, model.sql],
    [`rowsIn of ${model.name}`, model.rowsIn],
  ] as const
  for (const [what, sql] of queries) {
    if (sql !== undefined) await refuseForeignSql(session, what, sql, { tables: inputs })
  }
  await checkRuleSql(session, model)
}
