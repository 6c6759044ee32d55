import { Refusal } from './answer.ts'
import type { StorageRequest } from './request.ts'
import { hmac, isSame, type Account } from './shared-key.ts'

/**
 * Checks a shared access signature made with the account's key, of the account or of a container, directory or blob.
 * User delegation signatures, stored policies and snapshots are not served here.
 * @throws {Refusal} 403: forged, expired, or for something else
 */
export function checkSas(request: StorageRequest, account: Account): void {
  const { query } = request
  const field = (name: string) => query.get(name) ?? ''
  const isOfAccount = query.has('ss')
  const text = isOfAccount ? accountText(account.name, field) : serviceText(account.name, field, request)
  if (!isSame(field('sig'), hmac(account.key, text))) {
    throw new Refusal(403, 'AuthenticationFailed', 'the shared access signature was not made with this account’s key')
  }
  const now = Date.now()
  if (Date.parse(field('se')) <= now || (query.has('st') && Date.parse(field('st')) > now)) {
    throw new Refusal(403, 'AuthenticationFailed', 'the shared access signature is not valid at this time')
  }
  if (!permissionsFor(request).some((letter) => field('sp').includes(letter))) {
    throw new Refusal(403, 'AuthorizationPermissionMismatch', 'the shared access signature does not permit this')
  }
}

type Field = (name: string) => string

/** Source: learn.microsoft.com/…/create-account-sas, version 2020-12-06 and later */
function accountText(account: string, field: Field): string {
  const names = ['sp', 'ss', 'srt', 'st', 'se', 'sip', 'spr', 'sv', 'ses']
  return [account, ...names.map(field), ''].join('\n')
}

/** Source: learn.microsoft.com/…/create-service-sas, version 2020-12-06 and later */
function serviceText(account: string, field: Field, { container, path }: StorageRequest): string {
  const resource = `/blob/${account}/${container}${field('sr') === 'c' ? '' : `/${folderPartOf(path, field('sdd'))}`}`
  const before = ['sp', 'st', 'se'].map(field)
  const after = ['si', 'sip', 'spr', 'sv', 'sr'].map(field)
  const snapshot = ''
  const overrides = ['rscc', 'rscd', 'rsce', 'rscl', 'rsct'].map(field)
  return [...before, resource, ...after, snapshot, field('ses'), ...overrides].join('\n')
}

/** A signature for a directory holds for all that is below it. */
function folderPartOf(path: string, depth: string): string {
  return depth === '' ? path : path.split('/').slice(0, Number(depth)).join('/')
}

/** Letters of which one has to be among the permissions. */
function permissionsFor({ method, container, path, query }: StorageRequest): readonly string[] {
  if (query.get('resource') === 'filesystem' || query.get('comp') === 'list') return ['l']
  if (method === 'GET' || method === 'HEAD') return path === '' ? ['r', 'l'] : ['r']
  if (method === 'DELETE') return ['d']
  if (container !== '' && path === '') return ['c', 'w']
  return method === 'PATCH' ? ['a', 'w'] : ['c', 'w', 'm']
}
