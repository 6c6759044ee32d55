import type { TaskHandler, TaskOutcome } from '@cinelake/bus'
import type { Clock, Log } from '@cinelake/core'
import { createDeltaTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import { readManifest, type Lake } from '@cinelake/lake'
import { loadPipeline } from '@cinelake/pipeline'
import { checkRefined } from './refine-checks.ts'
import { commitRows } from './refine-commit.ts'
import { dedupe } from './refine-dedupe.ts'
import { removeDeleted } from './refine-deletions.ts'
import { RefineInputError } from './refine-errors.ts'
import { planRefine } from './refine-plan.ts'
import { beginRejects, REJECTS_QUERY } from './refine-rejects.ts'
import { checkKeysAreNew } from './refine-repeated-keys.ts'
import { stageFiles } from './refine-stage.ts'
import { targetOf } from './refine-target.ts'
import { isCommitted, tableBefore } from './restart.ts'
import { writeRejects } from './write-rejects.ts'

export type RefineDeps = { readonly lake: Lake; readonly engine: SqlEngine; readonly clock: Clock; readonly log: Log }

/**
 * Makes a landing into a typed, checked, deduplicated Delta table, once in effect however often it is called. Every row
 * of the landed files is accounted for before anything is committed; then the rejects are, then the table. A process
 * that dies in between does all of it again, and what was committed is found to be there.
 */
export function createRefine({ lake, engine, clock, log }: RefineDeps): TaskHandler<'refine'> {
  return async (command, context) => {
    const { signal } = context
    const pipeline = await loadPipeline(lake, command.pipeline, { signal })
    const manifest = await readManifest(lake, command.manifest, { signal })
    if (manifest === undefined) {
      const expected = 'the manifest of what landed'
      throw new RefineInputError(
        command.dataset,
        command.manifest,
        expected,
        'no such object in the lake',
        command.window.label,
      )
    }
    const dataset = targetOf(pipeline, command.dataset, manifest, command.manifest)
    const table = createDeltaTable({ lake, path: `refined/${dataset.name}`, clock })
    const snapshot = await tableBefore(table, command, signal)
    const plan = planRefine(command, dataset, manifest, snapshot)
    if (plan.action !== 'refine') {
      log.info({ task: command.task, table: dataset.name, outcome: plan.action }, 'nothing to refine')
      return untouched(dataset.name, plan.version, plan.action)
    }
    await using session = await engine.session()
    await using scratch = await lake.scratch()
    const deps = { lake, engine, session, directory: scratch.directory, signal, progress: context.progress }
    await beginRejects(deps)
    const files = await stageFiles(manifest, dataset, deps)
    const rows = await dedupe(files, dataset, deps)
    const checks = await checkRefined({ dataset, files, rows }, deps)
    if (snapshot === undefined || !isCommitted(command, snapshot))
      await checkKeysAreNew(
        { command, pipeline, dataset, manifest, files, rows },
        { lake, table, snapshot, session, signal },
      )
    await writeRejects({ table: dataset.name, query: REJECTS_QUERY, rowCount: checks.balance.rejected }, command, {
      lake,
      clock,
      session,
      signal,
    })
    await removeDeleted(files, { plan, dataset, table, snapshot, session, signal })
    const { version, outcome } = await commitRows(rows.query, {
      plan,
      dataset,
      window: command.window,
      table,
      snapshot,
      session,
      signal,
    })
    log.info({ task: command.task, table: dataset.name, version, outcome, ...checks.balance }, 'dataset refined')
    return { ...checks, output: { kind: 'table', table: dataset.name, version, outcome } }
  }
}

function untouched(table: string, version: number, outcome: 'unchanged' | 'superseded'): TaskOutcome {
  return {
    balance: { unit: 'rows', in: 0, out: 0, rejected: 0, duplicates: 0 },
    output: { kind: 'table', table, version, outcome },
  }
}
