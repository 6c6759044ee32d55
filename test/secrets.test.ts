// @module-tag slow: starts programs
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plainPaint, type Terminal } from '../apps/cli/src/output/terminal.ts'
import { openPlatform } from '../apps/cli/src/platform.ts'
import { usablePipeline } from '../apps/cli/src/read-folder.ts'
import { runWindows } from '../apps/cli/src/run-windows.ts'
import { platformConfig } from '../apps/cli/src/settings.ts'
import { createRedactor, parseWindow, type Window } from '../libs/core/src/index.ts'
import { startSampleCompany, type SampleCompany } from '../libs/sample-company/src/index.ts'
import { temporaryDirectory } from '../libs/testkit/src/index.ts'
import { openPgliteDatabase } from '../libs/warehouse/src/pglite.ts'

/** A whole day of the shipped pipeline, told as loudly as can be, and everything that it leaves behind. */

const OTT = fileURLToPath(new URL('../pipelines/ott', import.meta.url))
const SCALE = 0.02

/** With every character that one form of writing or another has to escape. */
const RIGHT = { CRM_TOKEN: 'crm/T0ken+"with" 100%;x=1&y\\z', BILLING_PASSWORD: "b1lling/pa@ss:w#rd?'é %40" }
const WRONG = { CRM_TOKEN: 'wr0ng/T0ken+"of" crm', BILLING_PASSWORD: 'wr0ng/pa@ss:w#rd of billing' }
/** Secrets of the environment: those that the day does not need, and one that is part of a folder's name. */
const BESIDES = {
  CINELAKE_BUS_CONNECTION_STRING: 'Endpoint=sb://127.0.0.1;SharedAccessKeyName=root;SharedAccessKey=sh4red+Key/0123=',
  CINELAKE_LAKE_SAS: 'sv=2026-01-01&sig=s1gnature%2Fof%2Bsas%3D',
  DROP_TOKEN: 'dr0p-folder-t0ken',
  REPORTS: 'postgres://reader:r3ports%20password@127.0.0.1/reports',
}
const SECRETS = [
  ...Object.values(RIGHT),
  ...Object.values(WRONG),
  'sh4red+Key/0123=',
  's1gnature/of+sas=',
  'r3ports password',
  BESIDES.DROP_TOKEN,
]
/** Finds secrets however they are written. */
const { redact: withoutSecrets } = createRedactor(SECRETS)

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
const at = (...names: string[]) => path.join(directory.path, ...names)
let days: Awaited<ReturnType<typeof runBothDays>>
beforeAll(async () => {
  directory = await temporaryDirectory()
  days = await runBothDays()
})
afterAll(async () => await directory[Symbol.asyncDispose]())

/** The first day with secrets that are refused; then, with the services still running, with those that were put right. */
async function runBothDays() {
  await using company = await startSampleCompany({ directory: at('company'), scale: SCALE, seed: 1, secrets: RIGHT })
  await mkdir(at('secrets'))
  await putSecrets(WRONG)
  const told: string[] = []
  const platform = await openQuietly(company, told)
  await using _ = platform
  const failed = await platform.run()
  await putSecrets(RIGHT)
  await symlink(company.settings['OTT_CATALOGUE'] ?? '', at(BESIDES.DROP_TOKEN))
  const succeeded = await platform.run()
  return { failed, succeeded, told }
}

async function putSecrets(secrets: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(secrets)) await writeFile(at('secrets', name), `${value}\n`)
}

/** The platform over the company. Every line of the log, event and change is kept in `told`. */
async function openQuietly(company: SampleCompany, told: string[]) {
  const settings = {
    ...company.settings,
    ...BESIDES,
    OTT_CATALOGUE: at(BESIDES.DROP_TOKEN),
    CINELAKE_LOG_LEVEL: 'debug',
    CINELAKE_SECRETS: `file:${at('secrets')}`,
  }
  const config = platformConfig(settings, at('state'))
  const pipeline = await usablePipeline(OTT, config, { config, settings })
  const window = parseWindow(pipeline.schedule, pipeline.schedule.start) as Window
  const keep = (text: string) => void told.push(text)
  const terminal: Terminal = { print: keep, note: keep, isInteractive: false, columns: () => 100, paint: plainPaint }
  const platform = await openPlatform(config, settings, terminal)
  const progress = {
    onEvent: (event: unknown) => keep(JSON.stringify(event)),
    onChange: ({ run, tasks }: { run: object; tasks: readonly object[] }) => keep(JSON.stringify([run, tasks])),
    say: keep,
    [Symbol.dispose]() {},
  }
  return {
    async run() {
      const [run] = await runWindows(platform, pipeline, [window], {
        origin: { folder: OTT },
        progress,
        signal: new AbortController().signal,
      })
      if (run === undefined) throw new Error('no run')
      keep(JSON.stringify(run))
      return run
    },
    [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
  }
}

/** The first secrets in a text, with what stands around them. */
function secretsIn(text: string): string[] {
  if (withoutSecrets(text) === text) return []
  return [...withoutSecrets(text).matchAll(/.{0,80}\[secret\].{0,80}/g)].slice(0, 3).map(([found]) => found)
}

describe('a day with secrets that are refused, and then put right', () => {
  test('fails at what they are for, and then succeeds', () => {
    const failures = days.failed.tasks.filter(({ state }) => state === 'failed')

    expect(days.failed.state).toBe('failed')
    expect(Object.fromEntries(failures.map(({ name, error }) => [name, error?.code]))).toMatchObject({
      'ingest crm/users': 'REST_UNAUTHORIZED',
      'discover billing': 'DATABASE_LOGIN_REFUSED',
      'ingest catalogue/titles': 'FILES_FOLDER_UNUSABLE',
    })
    expect(days.succeeded.state).toBe('succeeded')
  })

  test('tells much, and no secret, in its log and its events', () => {
    const linesWith = (...words: string[]) => days.told.filter((line) => words.every((word) => line.includes(word)))

    expect(linesWith('"level":"debug"').length).toBeGreaterThan(100)
    expect(linesWith('"kind":"task.failed"', 'API refused the credentials')).toHaveLength(1)
    expect(linesWith('"kind":"task.failed"', 'folder cannot be read', '[secret]')).not.toEqual([])
    expect(secretsIn(days.told.join('\n'))).toEqual([])
  })

  test('leaves no secret in its history or in the mart', async () => {
    await using database = await openPgliteDatabase<unknown>(at('state', 'warehouse'))
    const { rows: tables } = await database.pglite.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_schema NOT IN ('information_schema', 'pg_catalog')`,
    )
    expect(tables.map(({ name }) => name)).toContain('ops.attempts')
    for (const { name } of tables) {
      const { rows } = await database.pglite.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)
      expect({ name, found: secretsIn(rows.map(({ row }) => row).join('\n')) }).toEqual({ name, found: [] })
    }
  })

  test('leaves no secret in any file: raw data, manifests, the frozen pipeline, the log of any table', async () => {
    const entries = await readdir(at('state'), { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))

    expect(files.filter((file) => file.includes('raw/_landed'))).not.toEqual([])
    expect(files.filter((file) => file.includes('lake/pipelines'))).not.toEqual([])
    for (const file of files) {
      const text = await readFile(file, /\.(?:json|csv|txt)$/.test(file) ? 'utf8' : 'latin1')
      expect({ file, found: secretsIn(text) }).toEqual({ file, found: [] })
    }
  })
})
