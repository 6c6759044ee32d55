// @module-tag slow: starts programs
import { spawn } from 'node:child_process'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../libs/testkit/src/index.ts'
import { workloadsOf, type Workload } from './k8s/manifests.ts'
import { findRenderer, render, ROOT } from './k8s/render.ts'

const renderer = findRenderer(process.env['CINELAKE_TEST_KUSTOMIZE'])
const WHY_NOT = renderer === undefined ? ' (skipped: neither kubectl nor kustomize is on this machine)' : ''

/** The parts of the local overlay that are servers of this repository, and what they say when they are up. */
const PARTS = [
  ['bus', /^broker on /],
  ['lake', /^serving /],
] as const

describe.skipIf(renderer === undefined)(`the local overlay${WHY_NOT}`, () => {
  test.each(PARTS)('gives the program of %s what it needs to start', async (name, isUp) => {
    await using directory = await temporaryDirectory()
    const workload = workloadsOf(renderer === undefined ? [] : render(renderer, 'k8s/overlays/local')).find(
      (each) => each.name === name,
    )
    if (workload === undefined) throw new Error(`expected a workload ${name}, got none`)

    expect(await firstLineOf(workload, directory.path)).toMatch(isUp)
  })
})

/** Starts a container's program here, on free ports of this machine alone, with its files and folders where they are here. */
async function firstLineOf({ container }: Workload, data: string): Promise<string> {
  const here = (value: string) =>
    value.startsWith('/data') ? data : value.startsWith('/app/') ? join(ROOT, 'docker', basename(value)) : value
  const given = Object.fromEntries(
    (container.env ?? []).map(({ name, value }) => [name, here(value ?? Buffer.from('any key').toString('base64'))]),
  )
  const program = join(ROOT, 'libs', (container.command?.[1] ?? '').replace('/app/', '').replace('/dist/', '/src/'))
  const child = spawn(process.execPath, ['--conditions=@cinelake/source', program.replace(/\.js$/, '.ts')], {
    env: { PATH: process.env['PATH'], ...given, HOST: '127.0.0.1', PORT: '0', HEALTH_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  try {
    let said = ''
    child.stderr.on('data', (text: Buffer) => (said += text.toString()))
    for await (const line of createInterface(child.stdout)) return line
    return said
  } finally {
    child.kill('SIGKILL')
  }
}
