import type { RestSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { RestHeaderError } from './errors.ts'

/** The headers that say who asks. */
export type Credentials = {
  headers(): Promise<Readonly<Record<string, string>>>
  /** Looks the secrets up again. False when there are none, so that nothing would change. */
  refresh(): Promise<boolean>
}

/** The headers of a source, its token among them. Secrets are looked up when they are first needed. */
export function createCredentials(source: RestSource, fill: Fill): Credentials {
  const templates: Record<string, string> = { ...source.headers }
  if (source.auth.type === 'bearer') templates['authorization'] = `Bearer ${source.auth.token}`
  let held: Promise<Record<string, string>> | undefined

  const look = async (refresh: boolean) => {
    const filled: Record<string, string> = {}
    for (const [name, template] of Object.entries(templates)) {
      const value = (await fill(template, { refresh, encodeSecret: (secret) => secret.trim() })).trim()
      // What HTTP allows in a field value. Source: RFC 9110, 5.5
      if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw new RestHeaderError(source.name, name)
      filled[name] = value
    }
    return filled
  }
  return {
    headers: async () => await (held ??= look(false)),
    async refresh() {
      if (!Object.values(templates).some((template) => template.includes('${secret:'))) return false
      held = look(true)
      await held
      return true
    },
  }
}
