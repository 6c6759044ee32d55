import { identifier } from '@cinelake/sql'
import type { Build } from '@cinelake/contracts'
import type { Clock } from '@cinelake/core'
import { createDeltaTable, type ParquetSql } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'
import type { CheckedModel } from '@cinelake/pipeline'
import { BuildInputMissingError } from './errors.ts'
import { locateInput } from './used-tables.ts'

type Deps = { readonly lake: Lake; readonly clock: Clock; readonly session: ParquetSql; readonly signal: AbortSignal }

/**
 * Offers each table that a model reads to the session under its name, in the version that the command pins.
 * The files stay in place until what is returned is disposed.
 * @throws {BuildInputMissingError} terminal: the command names no version
 * @throws {TableLostError} terminal: there is no such version @throws {TableReplacedError} terminal: it is of another table
 */
export async function openInputs(
  command: Build,
  model: CheckedModel,
  { lake, clock, session, signal }: Deps,
): Promise<AsyncDisposable> {
  await using opened = new AsyncDisposableStack()
  for (const name of model.inputs) {
    const pinned = command.inputs.find((input) => input.table === name)
    if (pinned === undefined) throw new BuildInputMissingError(model.name, name, null)
    const { version, id } = pinned
    const path = await locateInput(lake, command.pipeline.name, name, { signal })
    const table = createDeltaTable({ lake, path, clock })
    const view = await table.view(session, { version, id, signal })
    if (view === undefined) throw new BuildInputMissingError(model.name, name, version)
    opened.use(view)
    await session.run(`CREATE TEMP VIEW ${identifier(name)} AS SELECT * FROM ${view.relation} AS input`, { signal })
  }
  return opened.move()
}
