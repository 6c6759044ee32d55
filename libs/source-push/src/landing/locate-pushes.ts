import { formerPushFolder, rawFolder } from '@cinelake/contracts'
import type { CallOptions, Lake } from '@cinelake/lake'
import { z } from 'zod'
import type { PushPlace } from '../errors.ts'
import { readRecordText } from './push-layout.ts'

/** The folder of a dataset's pushes: decided once, by the first service that needs it. */
const Place = z.object({ version: z.literal(1), folder: z.string().min(1) })
/** The pipeline that continues a folder from the time before pipelines had folders of their own. */
const Owner = z.object({ version: z.literal(1), pipeline: z.string().min(1) })

type Store = Pick<Lake, 'readText' | 'putIfAbsent' | 'list'>

/**
 * The folder of a dataset's pushes: in the pipeline's own folder. If pushes arrived before pipelines had folders of their
 * own, new ones go to the old folder, so that a window is closed in one place; it is assigned to the first pipeline that asks.
 */
export async function locatePushes(
  lake: Store,
  pipeline: string,
  place: PushPlace,
  options: CallOptions = {},
): Promise<string> {
  const { own, former, decision } = pathsOf(pipeline, place)
  const known = await readPlace(lake, decision, options)
  if (known !== undefined) return known
  const folder = (await claimFormer(lake, former, pipeline, options)) ? former : own
  const text = JSON.stringify({ version: 1, folder } satisfies z.infer<typeof Place>)
  if ((await lake.putIfAbsent(decision, text, options)) === 'created') return folder
  return (await readPlace(lake, decision, options)) ?? folder
}

/** The same, read-only: nothing is decided. */
export async function findPushes(
  lake: Omit<Store, 'putIfAbsent'>,
  pipeline: string,
  place: PushPlace,
  options: CallOptions = {},
): Promise<string> {
  const { own, former, decision } = pathsOf(pipeline, place)
  const known = await readPlace(lake, decision, options)
  if (known !== undefined) return known
  const owner = await readOwner(lake, former, options)
  return (owner ?? pipeline) === pipeline && (await isThere(lake, former, options)) ? former : own
}

function pathsOf(pipeline: string, { source, dataset }: PushPlace) {
  const own = rawFolder(pipeline, 'push', source, dataset)
  return { own, former: formerPushFolder(source, dataset), decision: `${own}/_place.json` }
}

async function claimFormer(lake: Store, former: string, pipeline: string, options: CallOptions): Promise<boolean> {
  if (!(await isThere(lake, former, options))) return false
  const text = JSON.stringify({ version: 1, pipeline } satisfies z.infer<typeof Owner>)
  if ((await lake.putIfAbsent(ownerPath(former), text, options)) === 'created') return true
  return (await readOwner(lake, former, options)) === pipeline
}

async function isThere(lake: Pick<Lake, 'list'>, folder: string, options: CallOptions): Promise<boolean> {
  for await (const _ of lake.list(folder, options)) return true
  return false
}

async function readPlace(
  lake: Pick<Lake, 'readText'>,
  path: string,
  options: CallOptions,
): Promise<string | undefined> {
  const text = await lake.readText(path, options)
  return text === undefined ? undefined : readRecordText(Place, text, path).folder
}

async function readOwner(
  lake: Pick<Lake, 'readText'>,
  former: string,
  options: CallOptions,
): Promise<string | undefined> {
  const text = await lake.readText(ownerPath(former), options)
  return text === undefined ? undefined : readRecordText(Owner, text, ownerPath(former)).pipeline
}

const ownerPath = (former: string) => `${former}/_pipeline.json`
