// @module-tag slow: starts programs
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../libs/testkit/src/index.ts'
import { openPgliteDatabase } from '../libs/database/src/postgres/pglite.ts'
import { runDemo } from './demo-process.ts'
import { contentOf, type StateContent } from './state-content.ts'

const BEFORE = fileURLToPath(new URL('fixtures/state-of-shipped', import.meta.url))
/** As the fixture was made: the sample company is the same for the same scale and seed. */
const COMPANY = { scale: 0.01, seed: 1 }

test('the day after an upgrade, the shipped pipeline goes on with the lake and the database of the version before', async () => {
  await using directory = await temporaryDirectory()
  const [upgraded, fresh] = [join(directory.path, 'upgraded'), join(directory.path, 'fresh')]
  await cp(join(BEFORE, 'lake'), join(upgraded, 'lake'), { recursive: true })
  {
    await using database = await openPgliteDatabase<unknown>(join(upgraded, 'warehouse'))
    await database.pglite.exec(await readFile(join(BEFORE, 'database.sql'), 'utf8'))
  }

  const goingOn = await runDemo({ state: upgraded, ...COMPANY })
  const fromTheStart = await runDemo({ state: fresh, ...COMPANY })

  expect(goingOn).toMatchObject({ code: 0 })
  expect(fromTheStart).toMatchObject({ code: 0 })
  // The first day is not done again.
  expect(goingOn.taskCount).toBeLessThan(fromTheStart.taskCount)
  expect(known(await contentOf(upgraded))).toEqual(known(await contentOf(fresh)))
})

/** Without the table that the version before did not make: it begins with the first day after the upgrade. */
function known({ refined, mart, balances }: StateContent): StateContent {
  const without = <Value>(all: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !name.includes('built_window')))
  return { refined: without(refined), mart, balances: without(balances) }
}
