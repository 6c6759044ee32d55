/** An address of a database server by its parts. Never shown as a whole: it may hold a password. */
export type ServerAddress = {
  readonly scheme: string
  /** IPv6 addresses without their brackets. */
  readonly host: string
  /** Undefined: the default port of the scheme. */
  readonly port: number | undefined
  readonly database: string
  readonly user: string | undefined
  readonly password: string | undefined
  /** The parameters after `?`. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Why an address cannot be used. Quotes nothing of it that may be a password. */
export type AddressProblem = { readonly expected: string; readonly got: string }

const NO_ADDRESS: ServerAddress = {
  scheme: '',
  host: '',
  port: undefined,
  database: '',
  user: undefined,
  password: undefined,
  parameters: new Map(),
}

/** Reads `SCHEME://[USER[:PASSWORD]@]HOST[:PORT]/DB[?NAME=VALUE&…]`; the parameters are the technology's. */
export function parseServerAddress(url: string): {
  readonly address: ServerAddress
  readonly problems: readonly AddressProblem[]
} {
  const parsed = URL.parse(url)
  if (parsed === null) {
    const expected = 'SCHEME://[USER[:PASSWORD]@]HOST[:PORT]/DB'
    return { address: NO_ADDRESS, problems: [{ expected, got: 'a text that is no address' }] }
  }
  const [database, user, password] = [parsed.pathname.slice(1), parsed.username, parsed.password].map(decoded)
  const problems: AddressProblem[] = []
  if (parsed.hostname === '') problems.push({ expected: 'a host', got: 'an address without a host' })
  if (parsed.port === '0') problems.push({ expected: 'a port of 1 to 65535', got: 'the port 0' })
  if (database === '') problems.push({ expected: 'a database after the host', got: 'an address without a database' })
  if ([database, user, password].includes(undefined)) {
    problems.push({
      expected: '`%` only as the beginning of an escape',
      got: 'a user, password or database with a `%` that escapes nothing (write `%25`)',
    })
  }
  return {
    address: {
      scheme: parsed.protocol.replace(/:$/, ''),
      host: parsed.hostname.replaceAll(/^\[|\]$/g, ''),
      port: parsed.port === '' ? undefined : Number(parsed.port),
      database: database ?? '',
      user: user === '' ? undefined : user,
      password: password === '' ? undefined : password,
      parameters: new Map(parsed.searchParams),
    },
    problems,
  }
}

export function unknownParameters(
  { parameters }: Pick<ServerAddress, 'parameters'>,
  known: readonly string[],
): AddressProblem[] {
  const names = known.join(' and ')
  return [...parameters.keys()]
    .filter((name) => !known.includes(name))
    .map((name) => ({ expected: `no options but ${names}`, got: `the parameter ${name}` }))
}

/** An address for logs and errors: without credentials and parameters. */
export function locationOf({ scheme, host, database }: ServerAddress, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
