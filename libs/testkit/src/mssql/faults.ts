/** An error as SQL Server numbers it. */
export class SqlServerError extends Error {
  readonly number: number

  constructor(number: number, message: string) {
    super(message)
    this.number = number
  }
}

type PostgresFault = { readonly code?: unknown; readonly message: string; readonly detail?: unknown }
type Translation = readonly [number: number, message: (fault: PostgresFault) => string]

const nameIn = (message: string) => /"([^"]+)"/.exec(message)?.[1]?.split('.').at(-1) ?? ''

/** By SQLSTATE. The messages are SQL Server's, with what they quote. */
const NUMBERS: Readonly<Record<string, Translation>> = {
  '42P01': [208, ({ message }) => `Invalid object name '${nameIn(message)}'.`],
  '42703': [207, ({ message }) => `Invalid column name '${nameIn(message)}'.`],
  '42601': [102, ({ message }) => `Incorrect syntax near '${nameIn(message)}'.`],
  '42501': [229, ({ message }) => `The permission was denied on the object '${nameIn(message)}'.`],
  '42P07': [2714, ({ message }) => `There is already an object named '${nameIn(message)}' in the database.`],
  '42P06': [2714, ({ message }) => `There is already an object named '${nameIn(message)}' in the database.`],
  '23502': [515, ({ message }) => `Cannot insert the value NULL into column '${nameIn(message)}'.`],
  '23505': [
    2627,
    ({ detail }) => `Violation of PRIMARY KEY constraint. Cannot insert duplicate key: ${String(detail)}.`,
  ],
  '22001': [2628, ({ message }) => `String or binary data would be truncated: ${message}`],
  '22003': [8115, () => 'Arithmetic overflow error converting to data type numeric.'],
  '2BP01': [3729, ({ message }) => `Cannot DROP TABLE because it is being referenced: ${message}`],
}

/** @returns the errors that SQL Server would send for one of PostgreSQL, in their order */
export function toSqlServer(thrown: unknown, sql: string): SqlServerError[] {
  if (thrown instanceof SqlServerError) return [thrown]
  const fault = thrown instanceof Error ? (thrown as PostgresFault) : { message: String(thrown) }
  if (fault.code === '23505' && /^ALTER TABLE/i.test(sql)) {
    return [
      new SqlServerError(
        1505,
        `CREATE UNIQUE INDEX terminated because a duplicate key was found: ${String(fault.detail)}.`,
      ),
      new SqlServerError(1750, 'Could not create constraint or index. See previous errors.'),
    ]
  }
  const [number, message] = NUMBERS[String(fault.code)] ?? [
    50_000,
    ({ message }: PostgresFault) => `loopback: ${message} in: ${sql}`,
  ]
  return [new SqlServerError(number, message(fault))]
}
