import { createAdlsLake } from '../libs/lake/src/adls/lake.ts'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Uploads a large file to the loopback endpoint, which runs in a process of its own, and downloads it again.
// node --conditions=@cinelake/source --max-old-space-size=128 bench/lake-upload.ts [MiB]

const MIB = 1024 * 1024
const sizeMib = Number(process.argv[2] ?? 2048)
const directory = await mkdtemp(join(tmpdir(), 'cinelake-bench-'))
const endpoint = spawn(
  process.execPath,
  ['--conditions=@cinelake/source', join(import.meta.dirname, '../libs/testkit/src/adls/main.ts')],
  {
    env: { ...process.env, PORT: '0', ADLS_DIRECTORY: join(directory, 'account') },
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
try {
  const [line] = await once(endpoint.stdout, 'data')
  await run(Number(/on port (\d+)/.exec(String(line))?.[1]))
} finally {
  endpoint.kill()
  await rm(directory, { recursive: true, force: true })
}

async function run(port: number): Promise<void> {
  const account = 'devstoreaccount1'
  const lake = await createAdlsLake({
    url: `abfs://lake@${account}.127.0.0.1:${port}`,
    connectionString: `AccountName=${account};AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==`,
    credential: () => Promise.reject(new Error('not needed')),
    scratch: { directory: join(directory, 'scratch'), limitBytes: 2 * sizeMib * MIB },
  })
  const file = join(directory, 'large')
  await measure('make the file', () => makeFile(file))
  await measure('upload', () => lake.upload(file, 'large'))
  await measure('write (stream)', async () => void (await lake.write('stream', createReadStream(file))))
  await measure('read (stream)', async () => {
    const hash = createHash('sha256')
    for await (const bytes of lake.read('large')) hash.update(bytes)
  })
  await measure('download', async () => (await lake.download('large'))[Symbol.asyncDispose]())
  await lake[Symbol.asyncDispose]()
}

async function makeFile(file: string): Promise<void> {
  await using handle = await open(file, 'wx')
  const block = Buffer.alloc(MIB)
  for (let number = 0; number < sizeMib; number += 1) {
    block.fill(createHash('sha256').update(String(number)).digest())
    await handle.writeFile(block)
  }
}

async function measure(what: string, work: () => Promise<void>): Promise<void> {
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1000
  const peakMib = process.resourceUsage().maxRSS / 1024
  console.log(`${what}: ${(sizeMib / seconds).toFixed(0)} MiB/s, peak RSS so far ${peakMib.toFixed(0)} MiB`)
}
