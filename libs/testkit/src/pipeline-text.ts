import type { PipelineRef } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'

const pathOf = ({ name, digest }: PipelineRef) => `pipelines/${name}/${digest}.json`

/** Puts a pipeline into a lake under its digest, as the scheduler does. */
export async function putPipeline(
  lake: { putIfAbsent(path: string, content: string): Promise<unknown> },
  pipeline: { readonly name: string },
): Promise<PipelineRef> {
  const text = JSON.stringify(pipeline)
  const ref = { name: pipeline.name, digest: sha256(text) }
  await lake.putIfAbsent(pathOf(ref), text)
  return ref
}

/** The pipeline that was put there, for a process of its own that has a command only. */
export async function getPipeline(
  lake: { readText(path: string): Promise<string | undefined> },
  ref: PipelineRef,
): Promise<unknown> {
  const text = await lake.readText(pathOf(ref))
  if (text === undefined) throw new Error(`no pipeline ${pathOf(ref)}`)
  return JSON.parse(text)
}
