import { randomUUID } from 'node:crypto'
import { z } from 'zod'

/** What a client may say about a version of a secret. Instants are seconds since 1970. */
export const Attributes = z.object({
  enabled: z.boolean().optional(),
  nbf: z.int().nullish(),
  exp: z.int().nullish(),
})
export type Attributes = z.infer<typeof Attributes>

type Version = { readonly version: string; readonly value: string; attributes: Attributes }

/** An answer of the vault: a status, and what is sent as JSON. */
export type Answer = { readonly status: number; readonly body?: unknown; readonly headers?: Record<string, string> }

const PutBody = z.object({ value: z.string().max(25 * 1024), attributes: Attributes.optional() })
const PatchBody = z.object({ attributes: Attributes })

/** Names are compared without regard to case. Source: learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates */
const NAME = /^[0-9a-zA-Z-]{1,127}$/

/**
 * The secrets of a vault: versions, attributes, deletion. As in Azure, a disabled secret is refused, while one that has
 * expired is handed out.
 */
export function createVault(baseUrl: () => string) {
  const secrets = new Map<string, Version[]>()
  const show = (name: string, { version, value, attributes }: Version) => ({
    value,
    id: `${baseUrl()}/secrets/${name}/${version}`,
    attributes: { recoveryLevel: 'Recoverable+Purgeable', ...attributes },
  })

  const put = (name: string, value: string, attributes: Attributes = {}): Answer => {
    const version = { version: randomUUID().replaceAll('-', ''), value, attributes: { enabled: true, ...attributes } }
    secrets.set(name.toLowerCase(), [...(secrets.get(name.toLowerCase()) ?? []), version])
    return { status: 200, body: show(name, version) }
  }

  /** @param path `/secrets/NAME[/VERSION]` */
  const answer = (method: string, path: string, body: unknown): Answer => {
    const [, kind, name = '', wanted = ''] = path.split('/')
    if (kind !== 'secrets' || !NAME.test(name)) return failure(400, 'BadParameter')
    if (method === 'PUT') {
      const { value, attributes } = PutBody.parse(body)
      return put(name, value, attributes)
    }
    const versions = secrets.get(name.toLowerCase())
    const version = wanted === '' ? versions?.at(-1) : versions?.find((each) => each.version === wanted)
    if (version === undefined) return failure(404, 'SecretNotFound', `A secret with (name/id) ${name} was not found.`)
    if (method === 'DELETE') {
      secrets.delete(name.toLowerCase())
      return { status: 200, body: { ...show(name, version), value: undefined } }
    }
    if (method === 'PATCH') {
      version.attributes = { ...version.attributes, ...PatchBody.parse(body).attributes }
      return { status: 200, body: { ...show(name, version), value: undefined } }
    }
    if (version.attributes.enabled === false) {
      return failure(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled')
    }
    return { status: 200, body: show(name, version) }
  }

  return { put, answer }
}

/** A refusal, as Key Vault words it. */
export function failure(status: number, code: string, message = code, innerCode?: string): Answer {
  const inner = innerCode === undefined ? {} : { innererror: { code: innerCode } }
  return { status, body: { error: { code, message, ...inner } } }
}
