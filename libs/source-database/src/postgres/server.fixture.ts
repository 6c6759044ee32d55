import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createExclusive, startPostgresServer } from '@cinelake/sample-company'
import { PGlite } from '@electric-sql/pglite'

/** A real PostgreSQL behind a socket: user `postgres`, password `p@ss`, database `shop`. */
export async function startPostgres(): Promise<
  AsyncDisposable & { readonly db: PGlite; readonly host: string; readonly url: string }
> {
  const database = await PGlite.create()
  const login = { user: 'postgres', password: 'p@ss', databaseName: 'shop' }
  const server = await startPostgresServer({ database, exclusive: createExclusive(), port: 0, ...login })
  const host = `127.0.0.1:${server.port}`
  return {
    db: database,
    host,
    url: `postgres://postgres:p%40ss@${host}/shop`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await database.close()
    },
  }
}

/** What a server answers to the first message of a client, byte by byte; then it hangs up. */
export async function startAnswering(
  answer: (socket: Socket, connection: number) => void | Promise<void>,
): Promise<AsyncDisposable & { readonly host: string }> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const connection = (connections += 1)
    void once(socket, 'data').then(() => answer(socket, connection))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** PostgreSQL's ErrorResponse. Source: postgresql.org/docs/current/protocol-message-formats.html */
export function errorResponse(sqlState: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${message}\0\0`)
  const head = Buffer.from('E\0\0\0\0')
  head.writeUInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

/** AuthenticationCleartextPassword. */
export const PASSWORD_REQUEST = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])

/** A network between a client and a server that fails after so many bytes from the server. */
export async function startCutting(
  target: string,
  afterBytes: number,
): Promise<AsyncDisposable & { readonly host: string }> {
  const [host, port] = target.split(':')
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect({ host: host ?? '', port: Number(port) })
    let passed = 0
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => [client, upstream].forEach((end) => end.destroy()))
    }
    client.pipe(upstream)
    upstream.on('data', (data: Buffer) => {
      passed += data.length
      if (passed > afterBytes) client.resetAndDestroy()
      else client.write(data)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
