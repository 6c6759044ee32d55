import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { lakeAt, MIB, startEndpoint } from './adls-endpoint.ts'

// Uploads a large file to the loopback endpoint, which runs in a process of its own, and downloads it again.
// node --conditions=@cinelake/source --max-old-space-size=128 bench/lake-upload.ts [MiB]

const sizeMib = Number(process.argv[2] ?? 2048)
await using endpoint = await startEndpoint(sizeMib)
const { file, directory } = endpoint
{
  await using lake = await lakeAt(endpoint.port, {
    directory: join(directory, 'scratch'),
    limitBytes: 2 * sizeMib * MIB,
  })
  await measure('upload', () => lake.upload(file, 'large'))
  await measure('write (stream)', async () => void (await lake.write('stream', createReadStream(file))))
  await measure('read (stream)', async () => {
    const hash = createHash('sha256')
    for await (const bytes of lake.read('large')) hash.update(bytes)
  })
  await measure('download', async () => (await lake.download('large'))[Symbol.asyncDispose]())
}

async function measure(what: string, work: () => Promise<void>): Promise<void> {
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1000
  const peakMib = process.resourceUsage().maxRSS / 1024
  console.log(`${what}: ${(sizeMib / seconds).toFixed(0)} MiB/s, peak RSS so far ${peakMib.toFixed(0)} MiB`)
}
