import { expect, test } from 'vitest'
import { parseMssqlAddress } from './address.ts'

test('an address says where the server is, who comes, and how it is encrypted', () => {
  expect(parseMssqlAddress({ url: 'mssql://us%40er:p%2Fw@db.example:14330/Mart?trustServerCertificate=true' })).toEqual(
    {
      server: 'db.example',
      port: 14330,
      database: 'Mart',
      login: { userName: 'us@er', password: 'p/w' },
      encrypt: true,
      trustServerCertificate: true,
      location: 'mssql://db.example:14330/Mart',
    },
  )
})

test('without a user Entra is asked, and the connection is encrypted and checked', () => {
  expect(parseMssqlAddress({ url: 'mssql://s.database.windows.net/mart', password: 'of nobody' })).toEqual({
    server: 's.database.windows.net',
    port: 1433,
    database: 'mart',
    encrypt: true,
    trustServerCertificate: false,
    location: 'mssql://s.database.windows.net:1433/mart',
  })
})

test('a password may come by itself', () => {
  const { login } = parseMssqlAddress({ url: 'mssql://sa@host/db', password: 'p:@/' })

  expect(login).toEqual({ userName: 'sa', password: 'p:@/' })
})

test.each([
  ['mssql://sa:hunter2@host', /a database after the host/],
  ['mssql://sa:hunter2@host/a/b', /one database/],
  ['mssql://sa@host/db', /password for the user/],
  ['mssql://sa:hunter2%@host/db', /write `%25`/],
  ['mssql://sa:hunter2@host/db?encrypt=maybe', /encrypt=true, false or strict/],
  ['mssql://sa:hunter2@host/db?encrypt=strict&trustServerCertificate=true', /always checks/],
  ['mssql://sa:hunter2@host/db?encyrpt=false', /got the parameter encyrpt/],
  ['mssql://sa:hunter2@ho st/db', /no address/],
])('%s is refused, and the message holds no password', (url, message) => {
  const parse = () => parseMssqlAddress({ url })

  expect(parse).toThrow(message)
  expect(parse).not.toThrow('hunter2')
})
