import type { TaskHandler } from '@cinelake/bus'
import type { Clock, Log } from '@cinelake/core'
import { createDeltaTable, locateTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import { readManifest, type Lake, type ScratchSpace } from '@cinelake/lake'
import { fileOfContract, loadPipeline, tableOfDataset, type CheckedDataset } from '@cinelake/pipeline'
import { takeOn } from '../evolve-table.ts'
import { checkRefined } from './checks.ts'
import { checkRuleSql } from '../own-sql.ts'
import { commitRows } from './commit.ts'
import { dedupe } from './dedupe.ts'
import { deletedKeysQuery } from './deletions.ts'
import { refineErrors, RuleFailedError } from './errors.ts'
import { planRefine } from './plan.ts'
import { beginRejects, FAILED_REJECTS_QUERY, REJECTS_QUERY } from './rejects.ts'
import { checkKeysAreNew } from './repeated-keys.ts'
import { stageFiles } from './stage.ts'
import { targetOf } from './target.ts'
import { isOfSql, placeOfRule } from '../sql-place.ts'
import { warnOfTakenTable } from '../taken-table.ts'
import { isCommitted, readTarget, tableOutput, untouched } from '../target-table.ts'
import { DEFAULT_LIMITS, type UnpackLimits } from '../read-csv/unpack-settings.ts'
import { readRejects, rejectsOutput, writeRejects, type RejectsOf } from '../write-rejects.ts'

export type RefineDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly clock: Clock
  readonly log: Log
  /** Folder for unpacked and converted files. Default: with the lake's unfinished files. */
  readonly scratch?: Pick<ScratchSpace, 'directory'>
  readonly limits?: UnpackLimits
}

/**
 * Makes a typed, checked, deduplicated Delta table from a landing, with the same effect however often it is called.
 * Every row of the landed files is accounted for before any commit; then the rejects are committed, then the table. If
 * the process dies in between, all of it is done again, and existing commits are found. Where a rule of severity `fail`
 * is broken, only the rejects are committed, including the rows that broke it, for inspection.
 */
export function createRefine({ lake, engine, clock, log, ...room }: RefineDeps): TaskHandler<'refine'> {
  return async (given, context) => {
    const { signal } = context
    const pipeline = await loadPipeline(lake, given.pipeline, { signal })
    const manifest = await readManifest(lake, given.manifest, { signal })
    if (manifest === undefined) {
      throw refineErrors.RAW_LOST(given.dataset, given.window.label, given.manifest, 'the manifest of what landed')
    }
    const dataset = targetOf(pipeline, given.dataset, manifest, given.manifest)
    const path = await locateTable(lake, pipeline.name, dataset.name, { signal })
    const table = createDeltaTable({ lake, path, clock })
    const target = await readTarget(table, given, { lake, signal })
    const { command, snapshot, life } = target
    const kept = await readRejects(command, dataset.name, { lake, clock, signal })
    await using session = await engine.session()
    const isDeclared = pipeline.datasets.some(({ name }) => name === dataset.name)
    // A database table that no dataset declares has no contract that could configure this.
    const wanted = { ...tableOfDataset(dataset), ...(isDeclared ? {} : { isDerived: true }) }
    const isRepeat = snapshot !== undefined && isCommitted(command, snapshot)
    const takenOn = await takeOn(wanted, isRepeat ? undefined : snapshot, { table, session, signal })
    const plan = planRefine(command, dataset, manifest, snapshot, takenOn)
    if (plan.action !== 'refine') {
      log.info({ task: command.task, table: dataset.name, outcome: plan.action }, 'nothing to refine')
      return untouched(dataset.name, plan.snapshot, plan.action, command, rejectsOutput(kept.before, command))
    }
    const taken = await warnOfTakenTable(lake, command, dataset.name, snapshot, signal)
    await checkRuleSql(session, dataset.contract)
    await using scratch = await lake.scratch()
    const { window } = command
    await using texts = await (room.scratch?.directory() ?? lake.scratch())
    const { limits = DEFAULT_LIMITS } = room
    const places = { directory: scratch.directory, textDirectory: texts.directory, limits }
    const deps = { lake, engine, session, window, ...places, signal, progress: context.progress }
    await beginRejects(deps)
    const inContract = (error: unknown): never => {
      throw placedInContract(error, dataset)
    }
    const files = await stageFiles(manifest, dataset, deps).catch(inContract)
    const keepRejects = async (query: string, hasRows: boolean, of: RejectsOf) =>
      await writeRejects({ query, hasRows }, of, kept, { session, signal })
    const hasRejected = files.some(({ rejectedCount }) => rejectedCount > 0)
    const hasWarned = files.some(({ warnedCount }) => warnedCount > 0)
    const rows = await dedupe(files, dataset, deps)
    const checks = await checkRefined({ dataset, files, rows }, deps).catch(async (error: unknown) => {
      if (error instanceof RuleFailedError)
        await keepRejects(FAILED_REJECTS_QUERY, hasRejected, { ...command, edition: 'failed' })
      return inContract(error)
    })
    if (snapshot === undefined || !isCommitted(command, snapshot)) {
      const work = { command, pipeline, dataset, manifest, files, rows }
      await checkKeysAreNew(work, { lake, table, snapshot, session, signal })
    }
    const rejects = await keepRejects(REJECTS_QUERY, hasRejected || hasWarned, command)
    const deletions = deletedKeysQuery(files, dataset)
    const commit = { plan, dataset, window: command.window, table, life, takenOn, deletions, session, signal }
    const done = await commitRows(rows.query, commit)
    const { version, outcome } = done
    log.info({ task: command.task, table: dataset.name, version, outcome, ...checks.balance }, 'dataset refined')
    const quality = [...checks.quality, ...taken, ...target.quality]
    return { ...checks, quality, output: tableOutput(dataset.name, done, command, rejects) }
  }
}

/** An error of the engine with its place in the contract: the user did not write the SQL around a rule's. */
function placedInContract(error: unknown, dataset: CheckedDataset): unknown {
  if (!isOfSql(error)) return error
  const place = placeOfRule(error, dataset.contract, fileOfContract(dataset))
  return place === undefined ? error : error.placed(place)
}
