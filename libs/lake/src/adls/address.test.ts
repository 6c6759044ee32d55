import { describe, expect, test } from 'vitest'
import { readAddress } from './address.ts'

describe('the address of a lake in Azure', () => {
  test('names the endpoints of both APIs', () => {
    expect(readAddress('abfss://lake@films.dfs.core.windows.net/prod/ott')).toEqual({
      account: 'films',
      container: 'lake',
      root: 'prod/ott/',
      dfsUrl: 'https://films.dfs.core.windows.net/lake',
      blobUrl: 'https://films.blob.core.windows.net/lake',
      location: 'abfss://lake@films.dfs.core.windows.net/prod/ott',
    })
    expect(readAddress('abfss://lake@films.dfs.core.chinacloudapi.cn').blobUrl).toBe(
      'https://films.blob.core.chinacloudapi.cn/lake',
    )
  })

  test('without TLS is that of an emulator, which serves both at one port', () => {
    expect(readAddress('abfs://lake@films.storage.test:10004', { sas: 'sig=x' })).toMatchObject({
      account: 'films',
      root: '',
      dfsUrl: 'http://storage.test:10004/films/lake',
      blobUrl: 'http://storage.test:10004/films/lake',
    })
  })

  test('takes the key, or the signature, and the endpoints from a connection string', () => {
    const url = 'abfss://lake@films.dfs.core.windows.net'
    const fromPortal =
      'DefaultEndpointsProtocol=https;AccountName=films;AccountKey=a2V5PT0=;EndpointSuffix=core.windows.net'

    expect(readAddress(url, { connectionString: fromPortal })).toMatchObject({
      accountKey: 'a2V5PT0=',
      blobUrl: 'https://films.blob.core.windows.net/lake',
    })
    expect(
      readAddress(url, {
        connectionString: 'BlobEndpoint=http://127.0.0.1:1/films/;SharedAccessSignature=?sv=1&sig=x%3D',
      }),
    ).toMatchObject({
      sas: 'sv=1&sig=x%3D',
      blobUrl: 'http://127.0.0.1:1/films/lake',
      dfsUrl: 'http://127.0.0.1:1/films/lake',
    })
    expect(readAddress(url, { connectionString: 'BlobEndpoint=https://films.example' })).toMatchObject({
      blobUrl: 'https://films.example/lake',
    })
    expect(readAddress(url, { sas: '?sv=1&sig=x' })).toMatchObject({ sas: 'sv=1&sig=x' })
    expect(readAddress(url, { sas: '?sv=1&sig=x' }).location).toBe(url)
  })

  test.each([
    ['abfss://films.dfs.core.windows.net/lake', undefined, /CONTAINER@ACCOUNT/],
    ['abfss://lake@films', undefined, /CONTAINER@ACCOUNT/],
    ['abfs://lake@films.127.0.0.1:10004', undefined, /with TLS only/],
    ['abfss://lake@films.dfs.core.windows.net', 'AccountName=other;AccountKey=c2VjcmV0', /expected the account/],
    ['abfss://lake@films.dfs.core.windows.net', 'AccountName=films;Password=c2VjcmV0', /AccountKey=…, Shared/],
  ])('%s with %s is refused, without the key in the words', (url, connectionString, words) => {
    const read = () => readAddress(url, connectionString === undefined ? {} : { connectionString })

    expect(read).toThrow(words)
    expect(read).toThrow(expect.not.objectContaining({ message: expect.stringContaining('c2VjcmV0') }))
  })

  test('has a folder that could be one', () => {
    expect(() => readAddress('abfss://lake@films.dfs.core.windows.net/a/../b')).toThrow(/lake path is not usable/)
  })
})
