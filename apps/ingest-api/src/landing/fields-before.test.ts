import { parseWindow, reportError } from '@cinelake/core'
import type { DriftPolicy } from '@cinelake/pipeline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService, startHttp } from '../ingest-api.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

describe('fields that were not there when a dataset without a contract landed last', () => {
  const days = ['2026-03-01', '2026-03-02', '2026-03-03', '2026-03-04'].map((label) => {
    const window = parseWindow({ every: 'day', timeZone: 'Europe/Berlin' }, label)
    if (window === undefined) throw new Error('no window')
    return window
  })
  const onDays = async (drift: DriftPolicy, ...texts: readonly string[]) => {
    let day = 0
    const server = stack.use(await startHttp((_, response) => void response.end(`{"data":${texts[day]}}`)))
    const service = stack.use(await givenService({ source: aRestSource({ baseUrl: server.url, drift }) }))
    const land = async (number: number) => {
      day = number
      const window = days[number]
      if (window === undefined) throw new Error('no such day')
      const outcome = await service.ingest({ window })
      const quality = outcome.quality?.map(({ rule, severity, detail }) => `${severity} ${rule}: ${detail}`)
      return { quality, csv: service.csv(`raw/api/crm/users/${window.label}.csv`) }
    }
    return { land }
  }

  test.each([
    ['evolve', 'id,name,extra\n2,,7\n'],
    ['ignore', 'id,name\n2,\n'],
    ['rescue', 'id,name,_rescued\n2,,"{""extra"":7}"\n'],
  ] as const)('%s: are told, as are those that are missing or of another kind', async (drift, csv) => {
    const { land } = await onDays(drift, '[{"id":1,"name":"A","on":true}]', '[{"id":"2","name":null,"extra":7}]')

    const first = await land(0)
    const second = await land(1)

    expect(first.quality).toBeUndefined()
    expect(second).toEqual({
      csv,
      quality: [
        `warn schema_new_fields: fields that the landing before did not have (${drift}): extra`,
        'warn schema_missing_fields: no record has: on',
        'warn schema_retyped_fields: fields of another kind: id (expected number, got text)',
      ],
    })
  })

  test('evolve: are known from then on, and one that comes again is not new', async () => {
    const pages = ['[{"id":1,"a":1}]', '[{"id":2,"b":"x"}]', '[{"id":3,"b":null}]', '[{"id":4,"a":2,"b":3}]']
    const { land } = await onDays('evolve', ...pages)

    const told = [await land(0), await land(1), await land(2), await land(3)].map(({ quality }) => quality)

    expect(told).toEqual([
      undefined,
      [
        'warn schema_new_fields: fields that the landing before did not have (evolve): b',
        'warn schema_missing_fields: no record has: a',
      ],
      undefined,
      ['warn schema_retyped_fields: fields of another kind: b (expected text, got number)'],
    ])
  })

  test.each([
    ['ignore', 'id\n4\n'],
    ['rescue', 'id,_rescued\n4,"{""extra"":8}"\n'],
  ] as const)('%s: stay unknown, also when days in between were left out', async (drift, csv) => {
    const { land } = await onDays(drift, '[{"id":1}]', '[{"id":2,"extra":7}]', '', '[{"id":4,"extra":8}]')

    await land(0)
    await land(1)
    const last = await land(3)

    expect(last.csv).toBe(csv)
    expect(last.quality).toEqual([
      `warn schema_new_fields: fields that the landing before did not have (${drift}): extra`,
    ])
  })

  test('fail: the task fails and says what to do', async () => {
    const { land } = await onDays('fail', '[{"id":1}]', '[{"id":2,"extra":7}]')

    await land(0)

    const error: unknown = await land(1).catch((thrown: unknown) => thrown)
    expect(reportError(error)).toMatchObject({ code: 'REST_SCHEMA_DRIFT', retryable: false })
    expect(String(error)).toContain('expected the fields of the landing before')
    expect(String(error)).toContain('extra); give the dataset a contract')
  })
})
