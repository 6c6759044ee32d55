import { reportError } from '@cinelake/core'
import { RestSource } from '../config/index.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'
import { startHttp } from '@cinelake/testkit'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

test.each(['users.id', '_position', '\\u0075sers.id'])(
  'an item of a list with a field of its own that is called %s, as a column that tells whose it is, is an error',
  async (name) => {
    const list = `[{"device":"a"},{"device":"b","${name}":"secret"}]`
    const parent = aRestSource({ key: ['id'] }).datasets[0]
    const child = {
      ...parent,
      name: 'devices',
      path: '',
      explodedFrom: { dataset: 'users', field: 'devices', key: ['id'] },
    }
    const server = stack.use(
      await startHttp((_, response) => void response.end(`{"data":[{"id":1,"devices":${list}}]}`)),
    )
    const source = RestSource.parse({ ...aRestSource({ baseUrl: server.url }), datasets: [parent, child] })
    const service = stack.use(await givenService({ source }))
    await service.ingest()

    const error: unknown = await service
      .ingest({ task: 'ingest crm/devices', dataset: 'devices' })
      .catch((thrown: unknown) => thrown)

    expect(reportError(error)).toMatchObject({ code: 'REST_EXPLODE_CLASH', retryable: false })
    expect(String(error)).not.toContain('secret')
  },
)
