import type { TaskHandler } from '@cinelake/bus'
import type { Clock, Log } from '@cinelake/core'
import { createDeltaTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import { readManifest, type Lake } from '@cinelake/lake'
import { loadPipeline } from '@cinelake/pipeline'
import { checkRefined } from './refine-checks.ts'
import { commitRows } from './refine-commit.ts'
import { dedupe } from './refine-dedupe.ts'
import { removeDeleted } from './refine-deletions.ts'
import { LandingLostError } from './refine-errors.ts'
import { planRefine } from './refine-plan.ts'
import { beginRejects, REJECTS_QUERY } from './refine-rejects.ts'
import { checkKeysAreNew } from './refine-repeated-keys.ts'
import { stageFiles } from './refine-stage.ts'
import { targetOf } from './refine-target.ts'
import { isCommitted, readTarget, tableOutput, untouched } from './target-table.ts'
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
      throw new LandingLostError(command.dataset, command.window.label, command.manifest, 'the manifest of what landed')
    }
    const dataset = targetOf(pipeline, command.dataset, manifest, command.manifest)
    const table = createDeltaTable({ lake, path: `refined/${dataset.name}`, clock })
    const { snapshot, life } = await readTarget(table, command, signal)
    const plan = planRefine(command, dataset, manifest, snapshot)
    if (plan.action !== 'refine') {
      log.info({ task: command.task, table: dataset.name, outcome: plan.action }, 'nothing to refine')
      return untouched(dataset.name, plan.snapshot, plan.action, command)
    }
    await using session = await engine.session()
    await using scratch = await lake.scratch()
    const { window } = command
    const deps = { lake, engine, session, window, directory: scratch.directory, signal, progress: context.progress }
    await beginRejects(deps)
    const files = await stageFiles(manifest, dataset, deps)
    const rows = await dedupe(files, dataset, deps)
    const checks = await checkRefined({ dataset, files, rows }, deps)
    if (snapshot === undefined || !isCommitted(command, snapshot)) {
      const work = { command, pipeline, dataset, manifest, files, rows }
      await checkKeysAreNew(work, { lake, table, snapshot, session, signal })
    }
    await writeRejects({ table: dataset.name, query: REJECTS_QUERY, rowCount: checks.balance.rejected }, command, {
      lake,
      clock,
      session,
      signal,
    })
    await removeDeleted(files, { plan, dataset, table, snapshot, session, signal })
    const done = await commitRows(rows.query, {
      plan,
      dataset,
      window: command.window,
      table,
      snapshot,
      life,
      session,
      signal,
    })
    const { version, outcome } = done
    log.info({ task: command.task, table: dataset.name, version, outcome, ...checks.balance }, 'dataset refined')
    return { ...checks, output: tableOutput(dataset.name, done, command) }
  }
}
