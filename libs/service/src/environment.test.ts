import { expect, test } from 'vitest'
import { z } from 'zod'
import { readEnv, readSettings, workerName } from './environment.ts'

const Env = z.object({ PORT: z.coerce.number().int().default(80), NAME: z.string() })

test('settings become typed configuration, with defaults for what is absent or empty', () => {
  expect(readEnv(Env, readSettings({ NAME: 'x', PORT: '', OTHER: 'y' }))).toEqual({ NAME: 'x', PORT: 80 })
})

test('every problem is named at once, and no value', () => {
  expect(() => readEnv(Env, readSettings({ PORT: 'hunter2' }))).toThrow(/PORT: .*\n {2}- NAME is not set: /)
  expect(() => readEnv(Env, readSettings({ PORT: 'hunter2' }))).not.toThrow('hunter2')
})

test('a worker is known by its machine and process', () => {
  expect(workerName()).toMatch(new RegExp(`^.+:${process.pid}$`))
})
