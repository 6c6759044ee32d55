import { once } from 'node:events'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { selfSignedCertificate } from './self-signed-certificate.ts'

test('a certificate is good for this machine, and signed with its own key', () => {
  const certificate = new X509Certificate(selfSignedCertificate().certificate)

  expect(certificate.checkHost('localhost')).toBe('localhost')
  expect(certificate.checkHost('elsewhere')).toBeUndefined()
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(certificate.ca).toBe(true)
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(new Date(certificate.validFrom) < new Date()).toBe(true)
  expect(new Date(certificate.validTo) > new Date()).toBe(true)
})

test.each([true, false])('a client that trusts it (%s) is the only one that connects', async (trusts) => {
  const { key, certificate } = selfSignedCertificate()
  const server = createServer({ key, cert: certificate }, (_, response) => response.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const outcome = await new Promise<unknown>((resolve) => {
    request({ host: 'localhost', port, family: 4, ...(trusts && { ca: certificate }) }, ({ statusCode }) =>
      resolve(statusCode),
    )
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      .end()
  })
  server.closeAllConnections()
  server.close()

  expect(outcome).toBe(trusts ? 200 : 'DEPTH_ZERO_SELF_SIGNED_CERT')
})
