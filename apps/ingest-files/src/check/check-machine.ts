import { makeDirectory } from '@cinelake/core'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { freeBytes } from '../agent/heartbeat.ts'
import type { Finding } from './finding.ts'

type Settings = Readonly<Record<string, string>>
type Found = string | Omit<Finding, 'check'>

const problem = (detail: string): Found => ({ outcome: 'problem', detail })
const skipped = (detail: string): Found => ({ outcome: 'skipped', detail })

const GIB = 1024 ** 3
/** Bytes below which an engine that spills, or a copy, soon runs out of space. */
const LEAST_FREE_BYTES = GIB
/** The Node release that the code is written for. */
const NODE_MAJOR = 24

export function checkVersion(version: string): Found {
  const major = Number(process.versions.node.split('.')[0])
  const found = `agent ${version}, Node ${process.versions.node}, ${process.platform} ${process.arch}`
  return major >= NODE_MAJOR ? found : problem(`${found}: expected Node ${NODE_MAJOR} or later; install it`)
}

export async function checkDisk(directory: string): Promise<Found> {
  await makeDirectory(directory)
  const free = await freeBytes(directory)
  const found = `${(free / GIB).toFixed(1)} GiB free at ${directory}`
  if (free >= LEAST_FREE_BYTES) return found
  return problem(`${found}: expected at least 1 GiB; make room, or set CINELAKE_SCRATCH to another disk`)
}

/** A configured proxy must be reachable; whether it lets traffic through is shown by the checks of bus and lake. */
export async function checkProxy(settings: Settings, usesWebSockets: boolean, signal: AbortSignal): Promise<Found> {
  const { HTTPS_PROXY: proxy, NO_PROXY: except } = settings
  if (proxy === undefined) {
    const other = ['https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY'].find((name) => settings[name] !== undefined)
    return other === undefined
      ? skipped('none: bus and lake are reached directly')
      : problem(`${other} is set and HTTPS_PROXY is not: bus and lake would not be reached alike; set HTTPS_PROXY`)
  }
  const address = URL.parse(proxy)
  if (address === null || !['http:', 'https:'].includes(address.protocol))
    return problem('HTTPS_PROXY: expected http://HOST:PORT, got something else')
  const port = Number(address.port || (address.protocol === 'https:' ? 443 : 80))
  const socket = connect({ host: address.hostname.replaceAll(/[[\]]/g, ''), port })
  try {
    await once(socket, 'connect', { signal })
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
    return problem(`${address.host} does not answer (${reason}): correct HTTPS_PROXY, or start the proxy`)
  } finally {
    socket.destroy()
  }
  const around = except === undefined ? '' : `, but for ${except}`
  if (usesWebSockets) return `${address.host} for bus and lake${around}`
  return `${address.host} for the lake${around}; the bus goes past it by port 5671, without ?transport=websockets in CINELAKE_BUS`
}

/** Node ignores an unusable file with only a warning. */
export async function checkCertificates(settings: Settings): Promise<Found> {
  const file = settings['NODE_EXTRA_CA_CERTS']
  if (file === undefined) return skipped('NODE_EXTRA_CA_CERTS is not set: the public authorities alone are trusted')
  const content = await readFile(file, 'utf8').catch(() => undefined)
  const count = content?.split('-----BEGIN CERTIFICATE-----').length ?? 0
  if (count > 1) return `${count - 1} more trusted by ${file}`
  const found = content === undefined ? 'no file that can be read' : 'a file without one'
  return problem(`${file}: expected certificates as PEM, got ${found}; correct NODE_EXTRA_CA_CERTS`)
}
