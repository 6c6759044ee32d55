import type { SqlSession } from '@cinelake/engine'
import type { Sample } from '@cinelake/source-kind'
import { literal } from '@cinelake/sql'
import { type FileSample, readColumn, TRIED, triedColumn } from '@cinelake/transformer'
import type { CountedText, Inferred, Reading } from './counted-texts.ts'
import { candidatesOf, noteOfText, NULL_WORDS } from './infer-column.ts'
import { mayBeSerial, noteOfNumbers } from './infer-dates.ts'

/** Rows that are looked at, in the table `TRIED` of a session, and how a refine reads each of its columns. */
export type Tried = Pick<FileSample, 'rowCount' | 'readColumn'>

/** What the texts of a column are. */
export type ColumnTexts = {
  readonly inferred: Inferred
  /** Some of the distinct texts, without words for "no value". */
  readonly texts: readonly CountedText[]
  /** Rows with a text. */
  readonly presentCount: number
  readonly distinctCount: number
  readonly isEverNegative: boolean
}

/** Distinct texts of a column by which its type is guessed. All of them decide. */
const SAMPLED = 1000
/** Texts that do not fit a type, by which it is guessed again. */
const MISFITS = 200
/** Times that a type is guessed again. */
const ROUNDS = 3

/** Texts from which a few that do not fit are errors, and not evidence that the column is text. */
const MIN_ROBUST = 10
/** Share of the texts that may not fit. */
const MAX_MISFITS = 0.1
/** Share of the rows that may be rejected for all columns together. */
const MAX_REJECTED = 0.2

/** Makes a table of rows that are in memory. */
export async function tryRows(
  { columns, rows }: Pick<Sample, 'columns' | 'rows'>,
  session: SqlSession,
): Promise<Tried> {
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${TRIED} (${columns.map((_, index) => `${triedColumn(index)} VARCHAR`).join(', ')})`,
  )
  await session.append(TRIED, one(rows))
  return { rowCount: rows.length, readColumn: (column, index) => readColumn(column, triedColumn(index), []) }
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value
}

/** A column whose type is asked for. */
export type AskedColumn = {
  /** In the contract. */
  readonly name: string
  /** Its place in the table, from 0. */
  readonly index: number
  /** Its type, where the source has types: it is not guessed. */
  readonly known: Inferred | undefined
  /** Narrows what was guessed by the meaning of the name. */
  readonly narrow: (inferred: Inferred) => Inferred
}

/**
 * Finds the type of each column on all of its texts, by the code of a refine: the type of all of them, or else of nearly all,
 * so that the few others are rejected one by one.
 */
export async function chooseTypes(
  asked: readonly AskedColumn[],
  tried: Tried,
  session: SqlSession,
): Promise<ColumnTexts[]> {
  const chooser = new Chooser(tried, session)
  const found: ColumnTexts[] = []
  for (const column of asked) found.push(await chooser.column(column))
  return await chooser.withinRejects(asked, found)
}

type Counted = { readonly inferred: Inferred; readonly misfitCount: number }

class Chooser {
  readonly #tried: Tried
  readonly #session: SqlSession

  constructor(tried: Tried, session: SqlSession) {
    this.#tried = tried
    this.#session = session
  }

  async column({ name, index, known, narrow }: AskedColumn): Promise<ColumnTexts> {
    const text = known === undefined ? this.#sqlOf(TEXT, index).value : `CAST(${triedColumn(index)} AS VARCHAR)`
    const words = [...NULL_WORDS].map((word) => literal(word)).join(', ')
    const [counts] = await this.#session.rows<
      Record<'present' | 'distinct', number | bigint> & { negative: boolean | null }
    >(
      `SELECT count(t) AS present, count(DISTINCT t) AS "distinct", bool_or(starts_with(t, '-') OR starts_with(t, '(')) AS negative FROM (SELECT ${text} AS t FROM ${TRIED})`,
    )
    const found = await this.#session.rows<{
      text: string
      count: number | bigint
    }>(`SELECT t AS "text", count(*) AS "count"
FROM (SELECT ${text} AS t FROM ${TRIED}) WHERE t IS NOT NULL GROUP BY t
ORDER BY lower(t) IN (${words}) DESC, regexp_full_match(t, '[+-]?0\\d+(?:[.,]\\d+)?') DESC, hash(t) LIMIT ${SAMPLED}`)
    const texts = found.map((each) => ({ text: each.text, count: Number(each.count) }))
    const presentCount = Number(counts?.present ?? 0)
    const inferred = known ?? (await this.#chosen({ name, index, narrow }, texts, presentCount))
    const nulls = new Set(inferred.nulls)
    const left = texts.filter((each) => !nulls.has(each.text))
    const nullRows = texts.reduce((sum, each) => sum + (nulls.has(each.text) ? each.count : 0), 0)
    return {
      inferred,
      texts: left,
      presentCount: presentCount - nullRows,
      distinctCount: Number(counts?.distinct ?? 0) - (texts.length - left.length),
      isEverNegative: counts?.negative === true,
    }
  }

  async #chosen(
    { name, index, narrow }: Pick<AskedColumn, 'name' | 'index' | 'narrow'>,
    sampled: readonly CountedText[],
    presentCount: number,
  ): Promise<Inferred> {
    let texts = sampled
    let best: Counted | undefined
    for (let round = 0; round < ROUNDS; round++) {
      const candidates = candidatesOf(name, texts).map(narrow)
      if (candidates.every(({ type }) => type === 'VARCHAR')) break
      const counted = await this.#count(candidates, index)
      const found = counted.reduce((one, other) => (other.misfitCount < one.misfitCount ? other : one))
      if (best !== undefined && found.misfitCount >= best.misfitCount) break
      best = found
      if (found.misfitCount === 0 || texts.length < SAMPLED || found.misfitCount > presentCount / 2) break
      texts = [...texts, ...(await this.#misfits(found.inferred, index))]
    }
    const note = noteOfText(sampled)
    const text = { type: 'VARCHAR', ...(note === undefined ? {} : { note }) }
    if (best === undefined) return narrow(text)
    const { inferred, misfitCount } = best
    if (misfitCount > 0 && (presentCount < MIN_ROBUST || misfitCount > presentCount * MAX_MISFITS))
      return withHint(text, best, presentCount)
    const isPlainNumber = inferred.type === 'BIGINT' && inferred.suffixes === undefined
    const numbers = isPlainNumber ? noteOfNumbers(sampled) : undefined
    const serial =
      inferred.type !== 'VARCHAR' && mayBeSerial(name, sampled)
        ? 'may be days of a spreadsheet: `formats: [excel]`'
        : undefined
    const notes = [
      inferred.note,
      numbers,
      serial,
      misfitCount === 0 ? undefined : misfitNote(misfitCount, presentCount),
    ]
    const all = notes.filter((each) => each !== undefined)
    return {
      ...inferred,
      ...(misfitCount === 0 ? {} : { misfitCount }),
      ...(all.length === 0 ? {} : { note: all.join('; ') }),
    }
  }

  /** The number of rows whose text is not of each type, up to the first that all texts are of. */
  async #count(candidates: readonly Inferred[], index: number): Promise<Counted[]> {
    const counted: Counted[] = []
    for (const inferred of candidates) {
      const [{ n } = { n: 0 }] = await this.#session.rows<{ n: number | bigint }>(
        `SELECT count(*) AS n FROM ${TRIED} WHERE ${this.#misfit(inferred, index)}`,
      )
      counted.push({ inferred, misfitCount: Number(n) })
      if (Number(n) === 0) break
    }
    return counted
  }

  async #misfits(inferred: Inferred, index: number): Promise<CountedText[]> {
    const { text } = this.#sqlOf(inferred, index)
    const found = await this.#session.rows<{ text: string; count: number | bigint }>(
      `SELECT ${text} AS "text", count(*) AS "count" FROM ${TRIED} WHERE ${this.#misfit(inferred, index)} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${MISFITS}`,
    )
    return found.map((each) => ({ text: each.text, count: Number(each.count) }))
  }

  #sqlOf({ type, nulls, ...reading }: Inferred, index: number) {
    return this.#tried.readColumn(
      { type, reading: { from: [], ...optionsOf({ ...reading, ...(nulls && { nulls }) }) } },
      index,
    )
  }

  #misfit(inferred: Inferred, index: number): string {
    const { value, text } = this.#sqlOf(inferred, index)
    return `(${text}) IS NOT NULL AND (${value}) IS NULL`
  }

  /** Makes columns text until few rows are rejected: each column alone may have few misfits, and all of them many. */
  async withinRejects(asked: readonly AskedColumn[], found: readonly ColumnTexts[]): Promise<ColumnTexts[]> {
    const columns = [...found]
    for (;;) {
      const misfitting = columns.flatMap(({ inferred }, at) => (inferred.misfitCount === undefined ? [] : [at]))
      const worst = misfitting.toSorted((one, other) => misfits(columns[other]) - misfits(columns[one]))[0]
      if (worst === undefined) return columns
      const any = misfitting.map((at) => `(${this.#misfit(columns[at]?.inferred ?? TEXT, asked[at]?.index ?? 0)})`)
      const [{ n } = { n: 0 }] = await this.#session.rows<{ n: number | bigint }>(
        `SELECT count(*) AS n FROM ${TRIED} WHERE ${any.join(' OR ')}`,
      )
      if (Number(n) <= this.#tried.rowCount * MAX_REJECTED) return columns
      const column = columns[worst]
      if (column === undefined) return columns
      const { inferred, presentCount } = column
      const counted = { inferred, misfitCount: inferred.misfitCount ?? 0 }
      columns[worst] = { ...column, inferred: withHint({ type: 'VARCHAR' }, counted, presentCount) }
    }
  }
}

const TEXT: Inferred = { type: 'VARCHAR' }

const misfits = (column: ColumnTexts | undefined) => column?.inferred.misfitCount ?? 0

function misfitNote(misfitCount: number, presentCount: number): string {
  const isOne = misfitCount === 1
  return `${misfitCount} of ${presentCount} values ${isOne ? 'does' : 'do'} not fit: ${isOne ? 'a reject' : 'rejects'}`
}

/** Text, with the type that it nearly is. */
function withHint(text: Inferred, { inferred, misfitCount }: Counted, presentCount: number): Inferred {
  if (text.note !== undefined || presentCount < MIN_ROBUST || misfitCount > presentCount / 2) return text
  return { ...text, note: `${presentCount - misfitCount} of ${presentCount} values are ${inferred.type}` }
}

/** Parse options as a checked pipeline has them. */
function optionsOf({
  formats,
  nulls,
  separators,
  negatives,
  ...rest
}: Reading & { readonly misfitCount?: number; readonly note?: string }) {
  const { misfitCount: _misfits, note: _note, ...options } = rest
  return {
    ...options,
    ...(formats === undefined ? {} : { formats: [...formats] }),
    ...(nulls === undefined ? {} : { nulls: [...nulls] }),
    ...(separators === undefined ? {} : { separators: [...separators] }),
    ...(negatives === undefined ? {} : { negatives: [...negatives] }),
  }
}
