import { readEnv } from '@cinelake/service'
import { describe, expect, test } from 'vitest'
import { IngestApiEnv } from './config.ts'

const read = (settings: Record<string, string>) => readEnv(IngestApiEnv, settings)

describe('what the service does', () => {
  test('by itself it takes commands and no pushes', () => {
    expect(read({})).toMatchObject({ concurrency: 4, push: undefined })
  })

  test('with a port it takes pushes as well', () => {
    expect(read({ CINELAKE_PUSH_PORT: '8095' })).toMatchObject({ concurrency: 4, push: { port: 8095 } })
  })

  test('with a port and no commands it takes pushes alone', () => {
    const config = read({ CINELAKE_PUSH_PORT: '8095', CINELAKE_INGEST_API_CONCURRENCY: '0' })

    expect(config).toMatchObject({ concurrency: 0, push: { host: '127.0.0.1', port: 8095, names: [] } })
  })

  test('neither commands nor pushes is refused, with what would do', () => {
    expect(() => read({ CINELAKE_INGEST_API_CONCURRENCY: '0' })).toThrow(
      'CINELAKE_INGEST_API_CONCURRENCY: expected 1 or more, or 0 together with CINELAKE_PUSH_PORT, got 0 without it',
    )
  })

  test.each(['-1', '1.5', 'none'])('%s is no number of commands', (concurrency) => {
    expect(() => read({ CINELAKE_PUSH_PORT: '8095', CINELAKE_INGEST_API_CONCURRENCY: concurrency })).toThrow(
      'CINELAKE_INGEST_API_CONCURRENCY',
    )
  })
})
