import { temporaryDirectory } from '@cinelake/testkit'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parsePostgresAddress } from './address.ts'

describe('the address of a PostgreSQL server', () => {
  test('names host, port, database and user; the password may come apart', () => {
    expect(parsePostgresAddress({ url: 'postgres://load%40er@db.example/mart', password: 'p' })).toEqual({
      host: 'db.example',
      port: 5432,
      database: 'mart',
      user: 'load@er',
      password: 'p',
      tls: false,
      location: 'postgres://db.example:5432/mart',
      setting: 'CINELAKE_DATABASE',
    })
    expect(parsePostgresAddress({ url: 'postgres://u:a%2Fb@[::1]:5433/x?sslmode=verify-full' })).toMatchObject({
      host: '::1',
      port: 5433,
      password: 'a/b',
      tls: {},
    })
  })

  test.each(['require', 'verify-ca', 'verify-full'])(
    'with sslmode=%s has the certificate and its name checked',
    (mode) => {
      const { tls } = parsePostgresAddress({ url: `postgres://u@h/x?sslmode=${mode}` })

      expect(tls).toEqual({})
    },
  )

  test('may name a file of certificates to trust', async () => {
    await using directory = await temporaryDirectory()
    const file = join(directory.path, 'ca.pem')
    await writeFile(file, 'a certificate')
    const url = `postgres://u@h/x?sslmode=require&sslrootcert=${encodeURIComponent(file)}`

    expect(parsePostgresAddress({ url })).toMatchObject({ tls: { ca: 'a certificate' } })
    expect(() => parsePostgresAddress({ url: `${url}.gone` })).toThrow(/file of certificates/)
  })

  test.each([
    ['postgres://h/x', /expected a user/],
    ['postgres://u@h', /expected a database/],
    ['postgres://u:hunter2@h/x?sslmode=prefer', /sslmode=disable, require/],
    ['postgres://u:hunter2@h/x?host=other', /no options but sslmode and sslrootcert, got the parameter host/],
    ['postgres://u:hunter2%@h/x', /write `%25`/],
    ['postgres://u:hunter2@', /no address/],
  ])('%j is refused without being shown', (url, message) => {
    const parse = () => parsePostgresAddress({ url })

    expect(parse).toThrow(message)
    expect(parse).not.toThrow('hunter2')
  })
})
