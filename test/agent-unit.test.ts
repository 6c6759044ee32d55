// @module-tag slow: starts programs
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../libs/testkit/src/index.ts'
import { SETTINGS } from './k8s/settings.ts'

/** The systemd unit of the on-prem agent. It is checked by systemd's own tools; nothing is started. */

const FOLDER = join(import.meta.dirname, '../deploy/systemd')
const unit = readFileSync(join(FOLDER, 'cinelake-ingest-files.service'), 'utf8')
const hasSystemd = spawnSync('systemd-analyze', ['--version'], { stdio: 'ignore' }).status === 0
const WHY_NOT = hasSystemd ? '' : ' (skipped: systemd-analyze is not on this machine)'

/** What systemd says about a unit, whose program need not be there. */
async function analyze(command: readonly string[], text: string) {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'cinelake-ingest-files.service')
  writeFileSync(file, text.replace(/^ExecStart=.*$/m, `ExecStart=${process.execPath}`))
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...command, file], { encoding: 'utf8' })
  return { status, stdout, stderr: stderr.replaceAll(directory.path, '') }
}

describe.skipIf(!hasSystemd)(`the agent's unit${WHY_NOT}`, () => {
  test('is one that systemd understands', async () => {
    expect(await analyze(['verify', '--man=no'], unit)).toMatchObject({ status: 0, stderr: '' })
  })

  test('leaves little to somebody who takes it over', async () => {
    // Tenths of systemd's exposure level, which goes from 0 (none) to 100.
    const threshold = ['--offline=true', '--threshold=15', '--no-pager']

    expect(await analyze(['security', ...threshold], unit)).toMatchObject({ status: 0 })
    const open = unit.replace('ProtectSystem=strict\n', '').replace('CapabilityBoundingSet=\n', '')
    expect(await analyze(['security', ...threshold], open)).not.toMatchObject({ status: 0 })
  })

  test('with a misspelt key is found', async () => {
    const { stderr } = await analyze(['verify', '--man=no'], unit.replace('MemoryMax=', 'MemoryMaximum='))

    expect(stderr).toContain("Unknown key 'MemoryMaximum'")
  })
})

describe('the settings of the agent', () => {
  const example = readFileSync(join(FOLDER, 'agent.env.example'), 'utf8')
  const given = [...`${example}\n${unit}`.matchAll(/^(?:Environment=)?(CINELAKE_\w+)=(.*)$/gm)]

  test('are ones that it knows', () => {
    expect(given.map(([, name = '']) => name).filter((name) => SETTINGS['ingest-files']?.has(name) !== true)).toEqual(
      [],
    )
  })

  test('leave room for what the process takes beside its engine', () => {
    const engineMiB = Number(given.find(([, name]) => name === 'CINELAKE_ENGINE_MEMORY_MIB')?.[2])
    const limitMiB = Number(/^MemoryMax=(\d+)M$/m.exec(unit)?.[1])

    expect(limitMiB).toBeGreaterThanOrEqual(engineMiB * 1.45 + 450)
  })

  test('hold no secret', () => {
    expect(given.filter(([, name = '']) => /_(CONNECTION_STRING|PASSWORD|SAS|SECRET|TOKEN|KEY)$/.test(name))).toEqual(
      [],
    )
  })
})
