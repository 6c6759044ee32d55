import type { Clock } from '@cinelake/core'
import { isRunFinished, type Run, type Stored } from '@cinelake/run-store'
import type { RunStore } from '@cinelake/run-store/write'
import { decide } from '../decide/decide.ts'
import type { Decision, Input, TaskTimeouts, PipelineRules, World } from '../decide/decision.ts'

/** Processes the inputs of runs: decides, makes the decision durable, then dispatches the effects. */
export type RunProcessor = {
  /**
   * Resolves when the effect of the inputs is durable and its commands were handed to the bus (or left in the outbox).
   * @returns the run afterwards; undefined when there is no such run
   */
  submit(runId: string, inputs: readonly Input[]): Promise<Run | undefined>
  /** Resolves when no run is being processed. */
  idle(): Promise<void>
}

export type RunProcessorDeps = {
  readonly store: Pick<RunStore, 'load' | 'isAt' | 'commit'>
  readonly rulesOf: (pipeline: string, digest: string) => Promise<PipelineRules>
  /** Dispatches the effects of a durable decision. Never throws: effects that fail are left for the sweep. */
  readonly dispatch: (before: Run, decision: Decision) => Promise<Run>
  readonly clock: Clock
  readonly random: () => number
  readonly timeouts: TaskTimeouts
}

type Waiting = {
  readonly inputs: readonly Input[]
  readonly resolve: (run: Run | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Processes each run one batch at a time: inputs that arrive meanwhile wait and are decided together, in one
 * transaction. Other replicas may process the same run: a decision holds only if the run is still at the revision it
 * was made on (optimistic concurrency), otherwise it is made again on the current revision. This also allows a run to
 * be cached in memory between batches.
 */
export function createRunProcessor(deps: RunProcessorDeps): RunProcessor {
  const mailboxes = new Map<string, Waiting[]>()
  const kept = new Map<string, Stored>()
  const working = new Set<Promise<void>>()

  const drain = async (runId: string, mailbox: Waiting[]): Promise<void> => {
    while (mailbox.length > 0) {
      const batch = mailbox.splice(0)
      try {
        const run = await apply(
          deps,
          kept,
          runId,
          batch.flatMap(({ inputs }) => inputs),
        )
        for (const { resolve } of batch) resolve(run)
      } catch (error) {
        kept.delete(runId)
        for (const { reject } of batch) reject(error)
      }
    }
    mailboxes.delete(runId)
  }

  return {
    submit(runId, inputs) {
      const { promise, resolve, reject } = Promise.withResolvers<Run | undefined>()
      const mailbox = mailboxes.get(runId)
      if (mailbox !== undefined) {
        mailbox.push({ inputs, resolve, reject })
        return promise
      }
      const fresh = [{ inputs, resolve, reject }]
      mailboxes.set(runId, fresh)
      const work = drain(runId, fresh).finally(() => working.delete(work))
      working.add(work)
      return promise
    },
    async idle() {
      while (working.size > 0) await Promise.all(working)
    },
  }
}

async function apply(
  deps: RunProcessorDeps,
  kept: Map<string, Stored>,
  runId: string,
  inputs: readonly Input[],
): Promise<Run | undefined> {
  for (;;) {
    const before = kept.get(runId) ?? (await deps.store.load(runId))
    if (before === undefined) return undefined
    kept.delete(runId)
    const decision = decide(before.run, inputs, await worldOf(deps, before.run, inputs))

    if (decision.run === before.run) {
      if (!(await deps.store.isAt(runId, before.revision))) continue
      keep(kept, before)
      return before.run
    }
    const revision = await deps.store.commit(before, decision)
    if (revision === undefined) continue
    const run = await deps.dispatch(before.run, decision)
    keep(kept, { run, revision })
    return run
  }
}

/** Runs cached at most. Without a bound, a run that another replica finishes would stay for ever. */
const KEPT_LIMIT = 32

function keep(kept: Map<string, Stored>, stored: Stored): void {
  if (!isRunFinished(stored.run)) kept.set(stored.run.id, stored)
  const [oldest] = kept.keys()
  if (kept.size > KEPT_LIMIT && oldest !== undefined) kept.delete(oldest)
}

async function worldOf(deps: RunProcessorDeps, run: Run, inputs: readonly Input[]): Promise<World> {
  const planned = inputs.flatMap((input) => (input.kind === 'plan' ? [input.digest] : []))
  // The pipeline text of a finished run is no longer needed, and may be missing.
  const digests = new Set(isRunFinished(run) ? planned : [run.digest, ...planned])
  const rules = new Map<string, PipelineRules>()
  for (const digest of digests) rules.set(digest, await deps.rulesOf(run.pipeline, digest))
  return {
    now: deps.clock(),
    random: deps.random,
    timeouts: deps.timeouts,
    rules(digest) {
      const known = rules.get(digest)
      if (known === undefined) throw new RangeError(`no rules were loaded for pipeline text ${digest}`)
      return known
    },
  }
}
