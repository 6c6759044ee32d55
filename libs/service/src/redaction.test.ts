import { describe, expect, test } from 'vitest'
import { secretsInEnvironment } from './redaction.ts'

describe('secrets of the environment', () => {
  test.each<[string, string, string[]]>([
    ['CINELAKE_QUEUE_PASSWORD', 'hunter2', ['hunter2']],
    ['PGPASSWORD', 'hunter2', ['hunter2']],
    ['AZURE_CLIENT_SECRET', 'a~b', ['a~b']],
    ['crm_token', 'abc', ['abc']],
    ['STORAGE_KEY', 'abc==', ['abc==']],
    ['CINELAKE_SECRET_CRM', 'abc', ['abc']],
    ['TLS_KEY', 'line 1\nline 2\n', ['line 1\nline 2\n', 'line 1\nline 2']],
    ['CINELAKE_WAREHOUSE', 'postgres://me:p%40ss@host:5432/db', ['p%40ss', 'p@ss']],
    ['CINELAKE_QUEUE', 'rediss://:p@ss@host:6380', ['p@ss']],
    ['ANY', 'see mssql://sa:one@a/db and mssql://sa:two@b/db', ['one', 'two']],
    ['LINK', 'https://host/path?sv=1&sig=a%2Bb%3D&se=2', ['a%2Bb%3D', 'a+b=']],
    ['BUS', 'Endpoint=sb://host;SharedAccessKeyName=root;SharedAccessKey=ab+c/=;EntityPath=x', ['ab+c/=']],
    ['LAKE', 'AccountName=dev;AccountKey=Eby8/==;BlobEndpoint=http://127.0.0.1:1/dev;', ['Eby8/==']],
    ['SQL', 'Server=host;User Id=sa;Password="a;b";Encrypt=true', ['"a;b"', 'a;b']],
    ['SQL', "Server=host;pwd='a b'", ["'a b'", 'a b']],
  ])('%s=%s', (name, value, expected) => {
    expect(secretsInEnvironment({ [name]: value })).toEqual(expected)
  })

  test('a connection string is one as a whole and in its parts', () => {
    const value = 'Endpoint=sb://host/;SharedAccessKeyName=root;SharedAccessKey=abc='

    expect(secretsInEnvironment({ CINELAKE_BUS_CONNECTION_STRING: value })).toEqual([value, 'abc='])
  })

  test.each([
    ['PATH', '/usr/bin:/bin'],
    ['PWD', '/home/me'],
    ['AZURE_FEDERATED_TOKEN_FILE', '/var/run/secrets/token'],
    ['CINELAKE_LAKE', 'file:.cinelake/lake'],
    ['CINELAKE_WAREHOUSE', 'postgres://me@host:5432/db?sslmode=require'],
    ['MONKEY', 'banana'],
    ['SSH_KEY', 'true'],
    ['MAIL', 'me@host'],
  ])('%s=%s holds none', (name, value) => {
    expect(secretsInEnvironment({ [name]: value })).toEqual([])
  })
})
