import { describe, expect, test } from 'vitest'
import { CheckedPipeline, freezePipeline } from './checked-pipeline.ts'
import { loadPipeline, storePipeline } from './load-pipeline.ts'

const pipeline = CheckedPipeline.parse({
  format: 1,
  name: 'shop',
  schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
  sources: [],
  datasets: [],
  models: [],
  serve: [],
})
const { text, digest, path } = freezePipeline(pipeline)
const ref = { name: 'shop', digest }

function aLake(objects: Record<string, string>) {
  const reads: string[] = []
  return {
    reads,
    async readText(name: string) {
      reads.push(name)
      return objects[name]
    },
  }
}

describe('the pipeline that a command names', () => {
  test('is the one that was frozen, and is read once', async () => {
    const lake = aLake({ [path]: text })

    expect(await loadPipeline(lake, ref)).toEqual(pipeline)
    expect(await loadPipeline(lake, ref)).toEqual(pipeline)
    expect(lake.reads).toEqual([`pipelines/shop/${digest}.json`])
  })

  test('is terminally missing when it is not in the lake, and found when it is later', async () => {
    const objects: Record<string, string> = {}
    const lake = aLake(objects)

    await expect(loadPipeline(lake, ref)).rejects.toMatchObject({ code: 'PIPELINE_MISSING', retryable: false })
    objects[path] = text
    expect(await loadPipeline(lake, ref)).toEqual(pipeline)
  })

  test('is corrupt when a byte differs, or the text is cut short', async () => {
    for (const wrong of [text.replace('shop', 'shap'), text.slice(0, -1), '']) {
      await expect(loadPipeline(aLake({ [path]: wrong }), ref)).rejects.toMatchObject({
        code: 'PIPELINE_CORRUPT',
        retryable: false,
      })
    }
  })

  test('is put in place of one that was damaged, and left alone where it is whole', async () => {
    const objects: Record<string, string> = { [path]: text.slice(0, -1) }
    const written: string[] = []
    const lake = {
      ...aLake(objects),
      async putIfAbsent(name: string, content: string) {
        if (objects[name] !== undefined) return 'exists' as const
        objects[name] = content
        return 'created' as const
      },
      async put(name: string, content: string) {
        written.push(name)
        objects[name] = content
      },
    }

    expect(await storePipeline(lake, pipeline)).toEqual({ digest: ref.digest, path })
    await storePipeline(lake, pipeline)

    expect(await loadPipeline(lake, ref)).toEqual(pipeline)
    expect(written).toEqual([path])
  })

  test('is corrupt when another version of the program wrote it', async () => {
    const other = freezePipeline({ ...pipeline, format: 2 as 1 })

    const loading = loadPipeline(aLake({ [other.path]: other.text }), { name: 'shop', digest: other.digest })

    await expect(loading).rejects.toMatchObject({ code: 'PIPELINE_CORRUPT', context: { path: other.path } })
  })

  test('only a few are kept', async () => {
    const frozen = Array.from({ length: 10 }, (_, index) => freezePipeline({ ...pipeline, description: String(index) }))
    const lake = aLake(Object.fromEntries(frozen.map((one) => [one.path, one.text])))
    for (const one of frozen) await loadPipeline(lake, { name: 'shop', digest: one.digest })

    await loadPipeline(lake, { name: 'shop', digest: frozen[9]!.digest })
    await loadPipeline(lake, { name: 'shop', digest: frozen[0]!.digest })

    expect(lake.reads.filter((name) => name === frozen[9]!.path)).toHaveLength(1)
    expect(lake.reads.filter((name) => name === frozen[0]!.path)).toHaveLength(2)
  })
})
