import { createAdlsLake } from '../libs/lake/src/adls/lake.ts'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const MIB = 1024 * 1024
export const ACCOUNT = 'devstoreaccount1'
/** The well-known key of Azure's emulators. */
export const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Starts the loopback endpoint in a process of its own, with a file to upload beside its data. */
export async function startEndpoint(sizeMib: number) {
  const directory = await mkdtemp(join(tmpdir(), 'cinelake-bench-'))
  await mkdir(join(directory, 'account'))
  const program = join(import.meta.dirname, '../libs/testkit/src/adls/main.ts')
  const endpoint = spawn(process.execPath, ['--conditions=@cinelake/source', program], {
    env: { ...process.env, PORT: '0', ADLS_DIRECTORY: join(directory, 'account') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(endpoint.stdout, 'data')
  const file = join(directory, 'large')
  await makeFile(file, sizeMib)
  return {
    directory,
    file,
    port: Number(/on port (\d+)/.exec(String(line))?.[1]),
    async [Symbol.asyncDispose]() {
      endpoint.kill()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export async function lakeAt(port: number, scratch: { readonly directory: string; readonly limitBytes: number }) {
  return await createAdlsLake({
    url: `abfs://lake@${ACCOUNT}.127.0.0.1:${port}`,
    connectionString: `AccountName=${ACCOUNT};AccountKey=${KEY}`,
    credential: () => Promise.reject(new Error('not needed')),
    scratch,
  })
}

async function makeFile(file: string, sizeMib: number): Promise<void> {
  await using handle = await open(file, 'wx')
  const block = Buffer.alloc(MIB)
  for (let number = 0; number < sizeMib; number += 1) {
    block.fill(createHash('sha256').update(String(number)).digest())
    await handle.writeFile(block)
  }
}
