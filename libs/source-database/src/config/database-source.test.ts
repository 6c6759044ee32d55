import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { databaseConfig } from './database-source.ts'

type DatabaseSourceText = z.infer<typeof databaseConfig.text>

function reading(fields: Partial<DatabaseSourceText>) {
  const found: string[] = []
  const problems = { error: (_at: unknown, message: string) => void found.push(message) } as never
  const text = { at: () => ({}) } as never
  const source = { type: 'database', url: 'postgres://reader:${secret:PW}@db/shop', ...fields } as const
  return { source: databaseConfig.read('billing', source, { text, path: [], problems }), found }
}

describe('the address', () => {
  test.each([
    'postgres://reader:${secret:PW}@db/shop',
    'postgres://${secret:USER}:${secret:PW}@db/shop',
    'postgres://${secret:USER}@db/shop',
    'postgres://${DB_USER:-reader}:${secret:PW}@${DB_HOST:-db}:5432/shop',
    '${secret:ADDRESS}',
  ])('%s keeps its password as a secret', (url) => {
    expect(reading({ url }).found).toEqual([])
  })

  test.each(['postgres://reader:hunter2@db/shop', 'mssql://${secret:USER}:a$b@db/shop', 'mssql://u$:p/@x@db/shop'])(
    '%s does not',
    (url) => {
      expect(reading({ url }).found).toEqual(['the password is not kept as a secret'])
    },
  )
})

describe('one moment for all tables', () => {
  test('is held for an hour where nothing else is said', () => {
    expect(reading({}).source.snapshot).toBeUndefined()
    expect(reading({ snapshot: {} }).source.snapshot).toEqual({ keepForMs: 3_600_000 })
    expect(reading({ snapshot: { keepFor: '90s' } }).source.snapshot).toEqual({ keepForMs: 90_000 })
  })

  test('cannot be had of SQL Server', () => {
    const { found } = reading({ url: 'mssql://reader:${secret:PW}@db/shop', snapshot: {} })

    expect(found).toEqual(['connections to SQL Server cannot see the moment of another one'])
  })
})
