// @module-tag slow: kills processes
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, type ClientConfig } from 'pg'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { startSampleCompany, type SampleCompany } from './sample-company.ts'

const small = { scale: 0.2, seed: 7 }

test('a company lives from its first day to the next, and is taken up again where it was', async () => {
  await using folder = await temporaryDirectory()
  const first = await startSampleCompany({ directory: folder.path, ...small })
  const dayOne = await fingerprint(first)
  expect(dayOne['watch_history']).toMatch(/^39991 /)
  expect(dayOne['customers']).toMatch(/^1000 /)

  await first.advanceTo('2026-03-01')
  expect(await fingerprint(first)).toEqual(dayOne)
  await first.advanceTo('2026-03-02')
  const dayTwo = await fingerprint(first)
  await first[Symbol.asyncDispose]()

  expect(dayTwo['watch_history']).toMatch(/^41370 /)
  expect(dayTwo['customers']).toMatch(/^1010 /)
  expect(Number(dayTwo['subscriptions']?.split(' ')[0])).toBeGreaterThan(1_010)
  await using again = await startSampleCompany({ directory: folder.path, ...small })
  await again.advanceTo('2026-03-01')
  expect(await fingerprint(again)).toEqual(dayTwo)
  await expect(again.advanceTo('2026-02-28')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await expect(startSampleCompany({ directory: folder.path, ...small })).rejects.toThrow(/open already/)
  await expect(startSampleCompany({ directory: folder.path, scale: 0.2, seed: 8 })).rejects.toThrow(
    /another sample company/,
  )
})

test('SQL clients work side by side without reading each other’s answers, and only with the password', async () => {
  await using folder = await temporaryDirectory()
  await using company = await startSampleCompany({ directory: folder.path, ...small })

  await expect(connect(company, { password: 'wrong' })).rejects.toMatchObject({ code: '28P01' })
  await expect(connect(company, { user: 'postgres' })).rejects.toMatchObject({ code: '28P01' })
  await expect(connect(company, { database: 'other' })).rejects.toMatchObject({ code: '3D000' })

  const clients = await Promise.all(Array.from({ length: 4 }, () => connect(company)))
  const answers = clients.map(async (client, number) => {
    for (let round = 0; round < 25; round += 1) {
      const expected = `${number}-${round}`
      const { rows } = await client.query<{ given: string }>('SELECT $1::text AS given, count(*) FROM plans', [
        expected,
      ])
      expect(rows[0]?.given).toBe(expected)
      await expect(client.query('SELECT * FROM nowhere WHERE a = $1', [round])).rejects.toThrow(/nowhere/)
    }
  })
  await Promise.all(answers)

  const [left, other] = clients
  await left?.query('BEGIN')
  await left?.query('UPDATE plans SET monthly_price = 0')
  await left?.end()
  const { rows } = (await other?.query<{ free: number }>(
    'SELECT count(*)::int AS free FROM plans WHERE monthly_price = 0',
  )) ?? { rows: [] }
  expect(rows).toEqual([{ free: 0 }])
  await Promise.all(clients.slice(1).map((client) => client.end()))
})

test('the next day of the company waits for the open transaction of a client, which it does not commit', async () => {
  await using folder = await temporaryDirectory()
  await using company = await startSampleCompany({ directory: folder.path, ...small })
  const client = await connect(company)
  const isFree = async () =>
    (await client.query<{ free: boolean }>('SELECT bool_or(monthly_price = 0) AS free FROM plans')).rows[0]?.free
  await client.query('BEGIN')
  await client.query('UPDATE plans SET monthly_price = 0')

  const advanced = company.advanceTo('2026-03-02')
  expect(await isFree()).toBe(true)
  await client.query('ROLLBACK')
  await advanced

  expect(await isFree()).toBe(false)
  const { rows } = await client.query<{ day: number }>('SELECT max(day) AS day FROM company.days')
  expect(rows).toEqual([{ day: 1 }])
  await client.end()
})

test('a process that is killed while it makes the company leaves what the next start repairs', async () => {
  await using folder = await temporaryDirectory()
  const reference = join(folder.path, 'reference')
  await using whole = await startSampleCompany({ directory: reference, ...small })
  await whole.advanceTo('2026-03-02')
  const expected = await fingerprint(whole)

  const killed = join(folder.path, 'killed')
  await runAndKill([killed, '2026-03-02'], { afterMs: 1_500 })
  await runAndKill([killed, '2026-03-02'], { afterOutput: 'started' })
  await using repaired = await startSampleCompany({ directory: killed, ...small })
  await repaired.advanceTo('2026-03-02')

  expect(await fingerprint(repaired)).toEqual(expected)
  expect(await readdir(join(killed, 'catalogue'))).toEqual(await readdir(join(reference, 'catalogue')))
})

/** Rows and a digest of the contents, by table. */
async function fingerprint(company: SampleCompany): Promise<Record<string, string>> {
  const client = await connect(company)
  const prints: Record<string, string> = {}
  for (const table of ['customers', 'devices', 'payments', 'plans', 'subscriptions', 'watch_history']) {
    const { rows } = await client.query<{ print: string }>(
      `SELECT count(*) || ' ' || md5(string_agg(t::text, ';' ORDER BY t::text COLLATE "C")) AS print FROM ${table} AS t`,
    )
    prints[table] = rows[0]?.print ?? ''
  }
  await client.end()
  return prints
}

async function connect(company: SampleCompany, other: ClientConfig = {}): Promise<Client> {
  const [host = '', port] = company.settings['OTT_BILLING_HOST']?.split(':') ?? []
  const password = company.secrets['BILLING_PASSWORD'] ?? ''
  const client = new Client({ host, port: Number(port), user: 'cinelake', password, database: 'billing', ...other })
  await client.connect()
  return client
}

async function runAndKill(args: string[], when: { afterMs: number } | { afterOutput: string }): Promise<void> {
  const fixture = fileURLToPath(new URL('./sample-company.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@cinelake/source', fixture, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const kill = () => child.kill('SIGKILL')
  if ('afterMs' in when) setTimeout(kill, when.afterMs)
  else child.stdout.on('data', (text: Buffer) => text.includes(when.afterOutput) && kill())
  expect((await exited)[1]).toBe('SIGKILL')
}
