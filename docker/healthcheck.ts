import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

// Asks whether somebody answers, for images without a shell: exit code 0 when somebody does, 1 when not.
//
//   node healthcheck.ts                           the service in this container: whether it takes work
//   node healthcheck.ts http://bus:5300/health    whether the answer is a success
//   node healthcheck.ts tcp://127.0.0.1:10004     whether a connection can be made
//   node healthcheck.ts URL SECONDS               the same, again and again for that long

/** Milliseconds for one answer; less than the five seconds that the engine gives a health check. */
const PATIENCE_MS = 4_000

/** Milliseconds between two tries. */
const INTERVAL_MS = 500

// oxlint-disable-next-line node/no-process-env -- a program of its own
const { CINELAKE_HEALTH_PORT = '9090' } = process.env
const [address = `http://127.0.0.1:${CINELAKE_HEALTH_PORT}/readyz`, seconds = '0'] = process.argv.slice(2)
const deadline = Date.now() + Number(seconds) * 1_000

let answers = await ask(new URL(address))
while (!answers && Date.now() < deadline) {
  await pause(INTERVAL_MS)
  answers = await ask(new URL(address))
}
process.exit(answers ? 0 : 1)

async function ask(url: URL): Promise<boolean> {
  try {
    if (url.protocol !== 'tcp:') return (await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) })).ok
    return await new Promise<boolean>((resolve) => {
      const socket = connect({ host: url.hostname, port: Number(url.port), timeout: PATIENCE_MS })
      socket.once('connect', () => resolve(true))
      for (const event of ['error', 'timeout']) socket.once(event, () => resolve(false))
    })
  } catch {
    return false
  }
}
