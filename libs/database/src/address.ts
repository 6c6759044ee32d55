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

/** Reads `SCHEME://[USER[:PASSWORD]@]HOST[:PORT]/DB[?NAME=VALUE&…]`; the parameters are the technology's. */
export function parseServerAddress(url: string): {
  readonly address: ServerAddress
  readonly problems: readonly AddressProblem[]
} {
  const parsed = URL.parse(url)
  const { protocol = '', hostname = '', port = '', pathname = '', searchParams } = parsed ?? {}
  const [database, user, password] = [pathname.slice(1), parsed?.username ?? '', parsed?.password ?? ''].map(decoded)
  const problems: AddressProblem[] = []
  if (parsed === null) {
    problems.push({ expected: 'SCHEME://[USER[:PASSWORD]@]HOST[:PORT]/DB', got: 'a text that is no address' })
  } else {
    if (hostname === '') problems.push({ expected: 'a host', got: 'an address without a host' })
    if (port === '0') problems.push({ expected: 'a port of 1 to 65535', got: 'the port 0' })
    if (database === '') problems.push({ expected: 'a database after the host', got: 'an address without a database' })
  }
  if ([database, user, password].includes(undefined)) {
    problems.push({
      expected: '`%` only as the beginning of an escape',
      got: 'a user, password or database with a `%` that escapes nothing (write `%25`)',
    })
  }
  return {
    address: {
      scheme: protocol.replace(/:$/, ''),
      host: hostname.replaceAll(/^\[|\]$/g, ''),
      port: port === '' ? undefined : Number(port),
      database: database ?? '',
      user: user === '' ? undefined : user,
      password: password === '' ? undefined : password,
      parameters: new Map(searchParams),
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
