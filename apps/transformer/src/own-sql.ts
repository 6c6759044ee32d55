import { identifier } from '@cinelake/sql'
import { refuseForeignSql, type RunnableModel, type SqlSession } from '@cinelake/engine'

// SQL from a pipeline's text is checked before the engine runs it: `validate` has done so, but another version may have
// checked the pipeline, or it may have been put into the lake by other means.

type Session = Pick<SqlSession, 'audit'>
type Rules = Pick<RunnableModel, 'tableRules'> & {
  readonly rowRules: readonly Pick<RunnableModel['rowRules'][number], 'name' | 'expression'>[]
}

/** @throws {ENGINE_SQL_REFUSED} terminal: a rule does more than read its rows */
export async function checkRuleSql(session: Session, { rowRules, tableRules }: Rules): Promise<void> {
  for (const { name, expression } of rowRules) {
    await refuseForeignSql(session, `rule ${name}`, expression, { tables: [], as: 'condition' })
  }
  for (const { name, query } of tableRules) {
    const asked = query.replaceAll('{table}', () => identifier(ROWS))
    await refuseForeignSql(session, `rule ${name}`, asked, { tables: [ROWS] })
  }
}

/** Placeholder for the rows of the task. */
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
