import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { SecretMissingError, SecretsUnavailableError } from './errors.ts'
import { checkSecretName, isThere, keyVaultName, secretIn, type Secrets } from './secrets.ts'

/** Bytes. The longest secret of a Key Vault has 25 KB; a longer file is a mistake in the mount. */
const MAX_BYTES = 1024 * 1024

/**
 * Secrets mounted as files, one per secret, named as the secret or as Key Vault names it: the Secrets Store CSI driver
 * calls the file of `CRM_TOKEN` `CRM-TOKEN` unless configured otherwise. Read on each request, since the files change
 * when a secret is rotated.
 *
 * @param directory the mount; need not exist yet. Mount it whole: a `subPath` stays as it was when the pod started
 */
export function createFileSecrets(directory: string): Secrets {
  const base = resolve(directory)
  const get: Secrets['get'] = async (name) => {
    checkSecretName(name)
    const files = [...new Set([name, keyVaultName(name)])].map((fileName) => join(base, fileName))
    for (const file of files) {
      const value = secretIn(await readIfThere(name, file))
      if (value !== '') return value
    }
    throw new SecretMissingError(
      name,
      files.map((file) => `the file ${file}`),
    )
  }
  return { get, has: (name) => isThere(get(name)), async [Symbol.asyncDispose]() {} }
}

async function readIfThere(secret: string, file: string): Promise<string> {
  const unavailable = (reason: string, options?: ErrorOptions) =>
    new SecretsUnavailableError({ secret, place: file }, reason, 'check the mount and its permissions', options)
  try {
    // Opening a named pipe blocks until a writer opens it, and a device may have no end.
    const found = await stat(file)
    if (!found.isFile() && !found.isDirectory()) throw unavailable('a pipe, a socket or a device')
    if (found.size > MAX_BYTES) throw unavailable(`a file of ${found.size} bytes`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof SecretsUnavailableError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    if (code === undefined) throw error
    if (code === 'ENOENT' || code === 'ENOTDIR') return ''
    throw unavailable(code, { cause: error })
  }
}
