import { access, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { SecretMissingError, SecretsUnavailableError } from './errors.ts'
import { checkSecretName } from './secret-name.ts'
import type { Secrets } from './secrets.ts'

/**
 * Secrets mounted as files, one per secret, named as the secret (Kubernetes, the Secrets Store CSI driver). Read each time
 * they are asked for, since the files change when a secret is rotated. One line break at the end is not part of the value.
 *
 * @param directory the mount; need not exist yet
 */
export function createFileSecrets(directory: string): Secrets {
  const base = resolve(directory)
  return {
    async get(name) {
      checkSecretName(name)
      const file = join(base, name)
      try {
        return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
      } catch (error) {
        throw translate(name, file, error)
      }
    },
    async has(name) {
      checkSecretName(name)
      return access(join(base, name)).then(
        () => true,
        () => false,
      )
    },
    async [Symbol.asyncDispose]() {},
  }
}

function translate(name: string, file: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  if (code === undefined) return error
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new SecretMissingError(name, [`the file ${file}`], { cause: error })
  return new SecretsUnavailableError(name, file, code, { cause: error })
}
