// @module-tag slow: starts programs
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

test('the program serves its company with the secrets it was given, and keeps to its first day when started again', async () => {
  await using folder = await temporaryDirectory()
  const settings = { CINELAKE_SAMPLE_DIRECTORY: folder.path, CINELAKE_SAMPLE_SCALE: '0.01', CRM_TOKEN: 'a-token' }

  const first = await start({ ...settings, CINELAKE_SAMPLE_FIRST_DAY: '2026-10-05', CINELAKE_SAMPLE_DAY: '2026-10-06' })
  const answer = await fetch(`${first.url}/v1/users?per_page=1`, { headers: { authorization: 'Bearer a-token' } })
  const refused = await fetch(`${first.url}/v1/users`, { headers: { authorization: 'Bearer other' } })
  expect(await answer.json()).toMatchObject({ meta: { as_of: '2026-10-06', total: 51 } })
  expect(refused.status).toBe(401)
  expect(await first.stop()).toBe(0)

  const again = await start({ ...settings, CINELAKE_SAMPLE_FIRST_DAY: '2026-11-01', CINELAKE_SAMPLE_DAY: '2026-10-07' })
  expect(await again.stop()).toBe(0)

  const credits = (await readdir(join(folder.path, 'catalogue'))).filter((name) => name.startsWith('credits'))
  expect(credits).toEqual(['credits_20261005.csv', 'credits_20261006.csv', 'credits_20261007.csv'])
})

test('without its secrets the program says what is missing and ends with exit code 78', async () => {
  const child = launch({})
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))

  expect(await once(child, 'exit')).toEqual([78, null])
  expect(said).toContain('CRM_TOKEN')
  expect(said).toContain('BILLING_PASSWORD')
})

async function start(settings: Record<string, string>) {
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const child = launch({ ...settings, CINELAKE_SAMPLE_PORT: String(port), BILLING_PASSWORD: 'a-password' })
  const ready = Promise.withResolvers<void>()
  child.stdout.on('data', (text: Buffer) => text.includes('service is ready') && ready.resolve())
  child.once('exit', (code) => ready.reject(new Error(`the program ended with exit code ${code}`)))
  await ready.promise
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      return (await exited)[0] as number
    },
  }
}

function launch(settings: Record<string, string>) {
  return spawn(process.execPath, ['--conditions=@cinelake/source', MAIN], {
    env: { PATH: process.env['PATH'], ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
