import { SqlFailedError } from '@cinelake/engine'
import { makeReadable, type CsvSource, type ForeseenCsv, type ReadableCsv } from '../read-csv/readable.ts'
import { refineErrors } from './errors.ts'

export type StagedCounts = {
  readonly rowCount: number
  readonly rejectedCount: number
  /** Rows that break only rules of severity `warn`. */
  readonly warnedCount: number
}

/** Stages a file as typed rows. @param signal cancels it, in addition to the task's own signal */
export type StageCsv = (csv: ForeseenCsv, signal?: AbortSignal) => Promise<StagedCounts>

/**
 * Checks a file and stages it. The engine has to find the records that were counted here: not one less, and all of them
 * readable. Otherwise it gets a normalised copy of the file. For a large file staging begins while the check is still
 * running (speculative parse), and is cancelled when the check finds something unusual.
 * @throws {REFINE_RECORDS_LOST} terminal: the engine finds other records even then
 */
export async function stageRecords(
  source: CsvSource,
  stage: StageCsv,
): Promise<{ csv: ReadableCsv } & Omit<StagedCounts, 'rowCount'>> {
  const early = new EarlyStage(stage)
  const csv = await makeReadable({ ...source, foresee: (foreseen) => early.begin(foreseen) }).catch(
    async (error: unknown) => {
      await early.stop()
      throw error
    },
  )
  if (csv.isCopy) {
    await early.stop()
    const { rowCount, ...broken } = await stage(csv)
    if (rowCount !== csv.recordCount) throw refineErrors.REFINE_RECORDS_LOST(source.name, csv.recordCount, rowCount)
    return { csv, ...broken }
  }
  // The speculative stage had no information about NUL.
  if (csv.hasNul === true) await early.stop()
  const found = (csv.hasNul === true ? undefined : await early.result()) ?? (await unlessFaulty(stage(csv)))
  if (found?.rowCount === csv.recordCount)
    return { csv, rejectedCount: found.rejectedCount, warnedCount: found.warnedCount }
  return await stageRecords({ ...source, mustCopy: true }, stage)
}

/** A speculative stage. Its errors are ignored: they recur in the final stage. */
class EarlyStage {
  readonly #stage: StageCsv
  readonly #stop = new AbortController()
  #counts: Promise<StagedCounts | undefined> = Promise.resolve(undefined)

  constructor(stage: StageCsv) {
    this.#stage = stage
  }

  begin(csv: ForeseenCsv): void {
    this.#counts = this.#stage(csv, this.#stop.signal).catch(() => undefined)
  }

  async result(): Promise<StagedCounts | undefined> {
    return await this.#counts
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#counts
  }
}

async function unlessFaulty(staged: Promise<StagedCounts>): Promise<StagedCounts | undefined> {
  try {
    return await staged
  } catch (error) {
    if (error instanceof SqlFailedError) return undefined
    throw error
  }
}
