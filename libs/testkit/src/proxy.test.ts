import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startProxy, type Proxy } from './proxy.ts'
import { until } from './until.ts'

// A server that says everything back.
let heard = ''
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.on('data', (data) => {
    heard += data.toString()
    socket.write(data)
  })
})
let proxy: Proxy

beforeEach(async () => {
  heard = ''
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening')
  proxy = await startProxy(server.address() as AddressInfo)
})
afterEach(async () => {
  await proxy[Symbol.asyncDispose]()
})

async function aClient(): Promise<{
  readonly socket: Socket
  readonly read: () => string
  readonly isBroken: () => boolean
}> {
  const socket = connect(proxy.port, proxy.host)
  let text = ''
  let broken = false
  socket.on('data', (data) => (text += data.toString()))
  socket.on('error', () => (broken = true))
  await once(socket, 'connect')
  return { socket, read: () => text, isBroken: () => broken }
}

test('everything passes both ways, and an end is passed on', async () => {
  const { socket, read } = await aClient()
  const sent = 'x'.repeat(3_000_000)

  socket.end(sent)
  await once(socket, 'close')

  expect(read() === sent).toBe(true)
  expect(proxy.passed).toEqual({ toServer: sent.length, toClient: sent.length })
  await until('the connection is forgotten', () => proxy.connectionCount === 0)
})

test('a cut resets what is open, and lets new connections through', async () => {
  const first = await aClient()
  await until('it is through', () => proxy.connectionCount === 1)
  proxy.cut()
  await until('it is broken', first.isBroken)

  const second = await aClient()
  second.socket.write('again')
  await until('it answers', () => second.read() === 'again')
  expect(first.read()).toBe('')
  second.socket.destroy()
})

test('a cut after a number of bytes lets exactly those through', async () => {
  proxy.cutAfter('toServer', 1000)
  const { socket, isBroken } = await aClient()

  socket.write('y'.repeat(100_000))

  await until('it is broken', isBroken)
  expect(proxy.passed.toServer).toBe(1000)
})

test('an answer can be lost although the server did what was asked', async () => {
  proxy.loseAnswerTo('COMMIT')
  const { socket, read, isBroken } = await aClient()

  socket.write('BEGIN')
  await until('the first answer', () => read() === 'BEGIN')
  socket.write('COMMIT')

  await until('it is broken', isBroken)
  expect(heard).toBe('BEGINCOMMIT')
  expect(read()).toBe('BEGIN')
})

test('while it refuses nobody gets through, until it is restored', async () => {
  const open = await aClient()
  proxy.refuse()
  await until('it is broken', open.isBroken)
  const refused = connect(proxy.port, proxy.host)
  await expect(once(refused, 'close')).rejects.toMatchObject({ code: 'ECONNRESET' })

  proxy.restore()
  const { socket, read } = await aClient()
  socket.write('back')
  await until('it answers', () => read() === 'back')
  socket.destroy()
})

test('a held network says nothing, and loses nothing', async () => {
  const { socket, read } = await aClient()
  proxy.hold()
  socket.write('held')
  await until('the bytes are on their way', () => socket.writableLength === 0)
  expect(heard).toBe('')

  proxy.restore()
  await until('it answers', () => read() === 'held')
  socket.destroy()
})

test('delayed pieces stay in their order', async () => {
  proxy.delay(3)
  const { socket, read } = await aClient()

  for (const word of ['a', 'b', 'c', 'd']) socket.write(word)

  await until('all are through', () => read().length === 4)
  expect(read()).toBe('abcd')
  socket.destroy()
})
