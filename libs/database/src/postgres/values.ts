import pg from 'pg'

type Parser = (text: string) => unknown

const { builtins } = pg.types
/** Array types. Source: PostgreSQL's pg_type.dat */
const ARRAYS = { int8: 1016, numeric: 1231, date: 1182, timestamp: 1115, timestamptz: 1185 } as const

/** As the embedded PostgreSQL gives it: a number while that is exact. */
function wholeNumber(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

const dateTime: Parser = (text) => text.replace(' ', 'T')
const instant: Parser = (text) => text.replace(' ', 'T').replace(/\+00(:00)?$/, 'Z')
const same: Parser = (text) => text

/** As the driver has it; its types say otherwise. */
const arrays = pg.types.arrayParser as unknown as {
  create(text: string, parse: (item: string | null) => unknown): { parse(): unknown[] }
}

/** For the run history: instants as JavaScript dates, as the embedded PostgreSQL gives them. */
export const OPS_TYPES = typesOf(new Map<number, Parser>([[builtins.INT8, wholeNumber]]))

/** For queries of analysts, as the port describes values: times as text, since a JavaScript date has neither microseconds nor all years. */
export const QUERY_TYPES = typesOf(
  new Map<number, Parser>([
    [builtins.INT8, wholeNumber],
    [builtins.DATE, same],
    [builtins.TIMESTAMP, dateTime],
    [builtins.TIMESTAMPTZ, instant],
    [builtins.INTERVAL, same],
    [builtins.BYTEA, (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex'))],
    [ARRAYS.int8, list(wholeNumber)],
    [ARRAYS.numeric, list(same)],
    [ARRAYS.date, list(same)],
    [ARRAYS.timestamp, list(dateTime)],
    [ARRAYS.timestamptz, list(instant)],
  ]),
)

function list(parse: Parser): Parser {
  return (text) => arrays.create(text, (item) => (item === null ? null : parse(item))).parse()
}

function typesOf(parsers: ReadonlyMap<number, Parser>): pg.CustomTypesConfig {
  return {
    getTypeParser: ((oid: Parameters<typeof pg.types.getTypeParser>[0], format?: 'text') =>
      parsers.get(oid) ?? pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
  }
}
