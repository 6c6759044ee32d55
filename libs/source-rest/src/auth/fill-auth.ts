import type { RestAuth } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'

/** The texts of `auth` with their placeholders filled. Line ends around a secret are not part of it. */
export async function fillAuth<Auth extends RestAuth>(auth: Auth, fill: Fill, refresh: boolean): Promise<Auth> {
  const options = { refresh, encodeSecret: (secret: string) => secret.trim() }
  const filled = await Promise.all(
    Object.entries(auth).map(async ([key, value]: [string, unknown]) => [key, await fillValue(value, fill, options)]),
  )
  // The same keys with values of the same kinds: texts for texts.
  return Object.fromEntries(filled) as Auth
}

async function fillValue(value: unknown, fill: Fill, options: Parameters<Fill>[1]): Promise<unknown> {
  if (typeof value === 'string') return await fill(value, options)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(async ([name, field]: [string, unknown]) => [
    name,
    await fillValue(field, fill, options),
  ])
  return Object.fromEntries(await Promise.all(fields)) as unknown
}
