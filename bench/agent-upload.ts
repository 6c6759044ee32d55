import { landObject } from '../libs/lake/src/index.ts'
import { readUnchanging } from '../libs/source-files/src/read-unchanging.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { ACCOUNT, KEY, lakeAt, MIB, startEndpoint } from './adls-endpoint.ts'
import { medianOf } from './verdict.ts'

// Uploads a file as the agent does - read unchanging, hashed, every block checked - and as barely as it can be done:
// blocks of 8 MiB, five at a time, straight from the file, without a checksum. Both to the loopback
// endpoint, which runs in a process of its own; each in a process of its own as well, in turns.
// node --conditions=@cinelake/source bench/agent-upload.ts [MiB] [rounds]

/** The SDK of the lake's own adapter: the bench need not install it again. */
const require = createRequire(new URL('../libs/lake/package.json', import.meta.url))
const { BlockBlobClient, StorageSharedKeyCredential } = require('@azure/storage-blob') as Sdk
type Sdk = {
  readonly BlockBlobClient: new (
    url: string,
    credential: object,
  ) => {
    stageBlock(id: string, body: Buffer, bytes: number): Promise<unknown>
    commitBlockList(ids: readonly string[]): Promise<unknown>
  }
  readonly StorageSharedKeyCredential: new (account: string, key: string) => object
}

const BLOCK_BYTES = 8 * MIB
const IN_FLIGHT = 5

type Kind = 'agent' | 'bare'
/** Of the client alone: that of the endpoint is the same for both. */
type Measured = { readonly seconds: number; readonly cpuSeconds: number; readonly peakMib: number }

const [first = '1024', second = '5', ...rest] = process.argv.slice(2)
if (first === 'agent' || first === 'bare') await uploadOnce(first, Number(second), rest[0] ?? '', rest[1] ?? '')
else await compare(Number(first), Number(second))

async function compare(sizeMib: number, rounds: number): Promise<void> {
  await using endpoint = await startEndpoint(sizeMib)
  const { file, directory } = endpoint
  const found: Record<Kind, Measured[]> = { agent: [], bare: [] }
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['bare', 'agent'] as const)
      found[kind].push(await inProcess(kind, String(endpoint.port), file, directory))
  }
  const median = (kind: Kind, what: keyof Measured) => medianOf(found[kind].map((measured) => measured[what]))
  for (const kind of ['bare', 'agent'] as const) {
    const peak = Math.max(...found[kind].map(({ peakMib }) => peakMib))
    console.log(
      `${kind}: ${(sizeMib / median(kind, 'seconds')).toFixed(0)} MiB/s, ${median(kind, 'cpuSeconds').toFixed(2)} s of CPU ` +
        `(medians of ${rounds}), peak RSS ${peak.toFixed(0)} MiB`,
    )
  }
  console.log(`ratio: ${(median('bare', 'seconds') / median('agent', 'seconds')).toFixed(2)}`)
}

async function inProcess(kind: string, port: string, file: string, directory: string) {
  const flags = ['--conditions=@cinelake/source', import.meta.filename, kind, port, file, directory]
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => said.push(piece))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${kind} ended with ${code}`)
  return JSON.parse(Buffer.concat(said).toString()) as Measured
}

async function uploadOnce(kind: 'agent' | 'bare', port: number, file: string, directory: string): Promise<void> {
  const path = `raw/${kind}-${process.pid}`
  const lake = await lakeAt(port, { directory: join(directory, `scratch-${kind}`), limitBytes: 100 * MIB })
  const [started, cpuBefore] = [performance.now(), process.cpuUsage()]
  if (kind === 'agent') await landObject(lake, path, () => readUnchanging({ name: 'large', file }, { source: 'bench' }))
  else await uploadBarely(`http://127.0.0.1:${port}/${ACCOUNT}/lake/${path}`, file)
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const peakMib = process.resourceUsage().maxRSS / 1024
  await lake.delete(path)
  await lake[Symbol.asyncDispose]()
  process.stdout.write(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakMib }))
}

async function uploadBarely(url: string, file: string): Promise<void> {
  const client = new BlockBlobClient(url, new StorageSharedKeyCredential(ACCOUNT, KEY))
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  const ids = Array.from({ length: Math.ceil(size / BLOCK_BYTES) }, (_, number) =>
    Buffer.from(String(number).padStart(24, '0')).toString('base64'),
  )
  let next = 0
  const send = async () => {
    const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    for (let number = next++; number < ids.length; number = next++) {
      const { bytesRead } = await handle.read(buffer, 0, BLOCK_BYTES, number * BLOCK_BYTES)
      await client.stageBlock(ids[number] ?? '', buffer.subarray(0, bytesRead), bytesRead)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, send))
  await client.commitBlockList(ids)
}
