import { parseServerAddress, type AddressProblem, type ServerAddress } from '@cinelake/database'
import { placeholdersIn, type Fill } from '@cinelake/secrets'
import { databaseSourceErrors } from './errors.ts'

/** Fills the placeholders of an address. A secret within it is escaped; one that is the whole address is not. */
export async function fillAddress(
  fill: Fill,
  template: string,
  options: { readonly refresh: boolean },
): Promise<string> {
  const isWhole = isPlaceholder(template)
  const filled = await fill(template, isWhole ? options : { ...options, encodeSecret: encodeURIComponent })
  return filled.trim()
}

const isPlaceholder = (template: string) => /^\$\{[^{}]*\}$/.test(template.trim())

function isSecretAsWhole(template: string): boolean {
  return isPlaceholder(template) && hasSecret(template)
}

/** Whether refreshing the secrets could give another address. */
export function hasSecret(template: string): boolean {
  return template.includes('${secret:')
}

/** @throws {DATABASE_ADDRESS_INVALID} terminal; without the text, which may contain a password */
export function parseAddress(source: string, text: string): ServerAddress {
  const { address, problems } = parseServerAddress(text)
  requireUsable(source, problems)
  return address
}

/** @throws {DATABASE_ADDRESS_INVALID} terminal: there is a problem */
export function requireUsable(source: string, [problem]: readonly AddressProblem[]): void {
  if (problem === undefined) return
  throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, `${problem.got} (expected ${problem.expected})`)
}

/** How a user and a password are provided, and where the password goes. */
export const givingUser = (scheme: string) =>
  `write \`${scheme === 'mssql' ? 'mssql' : 'postgres'}://USER:\${secret:NAME}@HOST/DATABASE\` and keep the password as the secret NAME where this machine has its secrets (CINELAKE_SECRETS; with \`env:\` in the setting CINELAKE_SECRET_NAME)`

/** Which setting or secret to correct after a refused login. @param template the address as written */
export function signInRemedy(
  template: string,
  { scheme, user, password }: Pick<ServerAddress, 'scheme' | 'user' | 'password'>,
): string {
  const placeholders = placeholdersIn(template)
  const secrets = placeholders.flatMap((one) => (one.kind === 'secret' ? [one.name] : []))
  const settings = placeholders.flatMap((one) => (one.kind === 'setting' ? [one.name] : []))
  const where = isSecretAsWhole(template) ? `the address in the secret ${secrets.join()}` : "the source's `url`"
  if (user === undefined && scheme === 'mssql') {
    return `make this machine's identity a user of the database (CREATE USER [NAME] FROM EXTERNAL PROVIDER), or name another in ${where}: ${givingUser(scheme)}`
  }
  if (user === undefined || password === undefined) {
    return `${where} has no ${user === undefined ? 'user' : 'password'}: ${givingUser(scheme)}`
  }
  if (isSecretAsWhole(template)) return `check user and password of ${where}, which was looked up again`
  if (secrets.length > 0) {
    const again = secrets.length > 1 ? 'which were looked up again' : 'which was looked up again'
    return `check the user in ${where} and the ${named('secret', secrets)}, ${again}`
  }
  const also = settings.length > 0 ? ` and the ${named('setting', settings)}` : ''
  return `check user and password in ${where}${also}`
}

function named(what: string, names: readonly string[]): string {
  return `${what}${names.length > 1 ? 's' : ''} ${names.join(', ')}`
}
