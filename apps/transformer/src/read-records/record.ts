import type { GuessedEncoding } from '../read-csv/text-encoding.ts'

/** What the text of a cell is, in one letter. It decides how the text becomes a column's value. */
export const KIND = {
  text: 's',
  /** Digits as written, with a point. */
  number: 'n',
  /** `true` or `false`. */
  boolean: 'b',
  /** A JSON list of texts and null. */
  texts: 'l',
  /** A JSON list of texts that are numbers or booleans, and null. */
  scalars: 'm',
  /** An object, or a list that is not for a column of lists, as JSON. */
  json: 'j',
  /** A day, a time of day or both as ISO 8601 writes them, without a zone. */
  time: 't',
  /** A text of a file that has nothing else: what it means is to be found out, as in CSV. */
  written: 'w',
  /** What stands for a value that the file does not have: an error of a spreadsheet. */
  error: 'e',
} as const
export type Kind = (typeof KIND)[keyof typeof KIND]

/** A value of a record, for one column of the contract; null where it is missing. */
export type Cell = { readonly kind: Kind; readonly text: string } | null

/** One record of a file, with its place. */
export type FoundRecord = {
  /** One per column of the contract; empty for a record with a problem. */
  readonly cells: readonly Cell[]
  /** Physical line, from 1. */
  readonly line: number
  /** The place within the file where lines do not say it: `$.items[16]`. */
  readonly place?: string
  /** The place of its value for a column, where that is known apart and has its line: `Sheet1!B7`. */
  readonly placeOf?: (column: string) => string | undefined
  /** Why it is rejected, without its values. */
  readonly problem?: string
  /** Its text as received, bounded. */
  readonly raw: () => string
}

/** The names of a file's fields, known when all of it has been read. */
export type FieldNames = {
  /** For each column of the contract, whether a record had it. */
  readonly found: readonly boolean[]
  /** Names that are not columns of the contract. */
  readonly unknown: readonly string[]
}

/** A file as records, the same ones in each pass. */
export type RecordFile = {
  /** The records in batches, in the order of the file. */
  read(signal: AbortSignal): AsyncIterable<readonly FoundRecord[]>
  /** Of the latest pass. */
  readonly names: FieldNames
  /** Of the latest pass: records at its end that are declared to be no rows. */
  readonly footerCount?: number
  /** Of the latest pass: present where no encoding is declared and the bytes do not prove it. */
  readonly guessed?: GuessedEncoding | undefined
}

/** Records of a batch. */
export const BATCH_RECORDS = 1000
