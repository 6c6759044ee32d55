import type { PushPlace } from './errors.ts'
import type { ContractColumns } from './body/body-check.ts'
import { reportError, type Clock, type Log } from '@cinelake/core'
import type { CurrentSources, PipelineOfSource, SourceInPipeline } from '@cinelake/source-kind'
import type { PushSource } from './config/push-source.ts'

/** Milliseconds for which the list of pipelines is cached. */
const HOLD_MS = 10_000

/** The contract's columns that the rows of a dataset's pushes are checked against. */
export function contractOf({ datasets }: PipelineOfSource, { source, dataset }: PushPlace): ContractColumns {
  return datasets.find((each) => each.source === source && each.sourceDataset === dataset)?.contract.columns
}

export type PushTarget = SourceInPipeline<PushSource>

export type PushTargetsDeps = {
  /** The push sources of the pipelines that are current in the lake. */
  readonly current: () => Promise<CurrentSources<PushSource>>
  readonly clock: Clock
  readonly log: Log
}

/**
 * The push sources of the pipelines that are current in the lake, by name. A name that two pipelines declare is rejected for
 * both: data that is meant for one of them must not reach the other.
 */
export function createPushTargets({ current, clock, log }: PushTargetsDeps) {
  let held: { readonly at: number; readonly targets: Promise<ReadonlyMap<string, PushTarget>> } | undefined
  let told = ''

  const read = async (): Promise<ReadonlyMap<string, PushTarget>> => {
    const { sources, unreadable } = await current()
    const targets = new Map<string, PushTarget>()
    const twice = new Set<string>()
    for (const target of sources) {
      if (targets.has(target.source.name)) twice.add(target.source.name)
      targets.set(target.source.name, target)
    }
    for (const name of twice) targets.delete(name)
    tell([...targets.keys()], [...twice], unreadable)
    return targets
  }
  /** Logs each new conflict once. */
  const tell = (sources: string[], twice: string[], unreadable: readonly { name: string; error: unknown }[]) => {
    const text = JSON.stringify({ sources, twice, unreadable: unreadable.map(({ name }) => name) })
    if (text === told) return
    told = text
    log.info({ sources: sources.join(' ') }, 'push sources are known')
    for (const name of twice)
      log.error({ source: name }, 'two pipelines have a push source of this name; neither is served')
    for (const { name, error } of unreadable) {
      log.error({ pipeline: name, code: reportError(error).code, err: error }, 'current pipeline cannot be read')
    }
  }

  return async (name: string): Promise<PushTarget | undefined> => {
    const now = clock().getTime()
    if (held === undefined || now - held.at >= HOLD_MS) {
      const targets = read()
      held = { at: now, targets }
      targets.catch(() => (held = undefined))
    }
    return (await held.targets).get(name)
  }
}
