import { TerminalError, defineErrors, terminal, transient } from '@cinelake/core'
import type { SqlComplaint, SqlPosition } from '@cinelake/sql'
import type { AuditOptions, SqlRefusal, SqlSession } from './engine.ts'

/** The statement that failed, as it was given, and the byte of it that the engine names. */
export type FailedStatement = { readonly text: string; readonly byte: number }

/**
 * Where in a part of a statement, which may be there more than once, it failed, from 0; undefined where it is
 * elsewhere.
 */
function offsetIn(part: string, failed: FailedStatement | undefined): number | undefined {
  if (failed === undefined || part === '') return undefined
  const at = Buffer.from(failed.text).subarray(0, failed.byte).toString().length
  for (let begin = failed.text.indexOf(part); begin >= 0; begin = failed.text.indexOf(part, begin + 1)) {
    if (begin <= at && at <= begin + part.length) return at - begin
  }
  return undefined
}

/** What is wrong, without the engine's picture of the line and without a full stop: the caller adds its own. */
function complaint(said: string, place: SqlPosition | string | undefined): SqlComplaint {
  const message = withoutPicture(said).replace(/[.!]$/, '')
  return { message, position: typeof place === 'string' ? undefined : place }
}

function withoutPicture(said: string): string {
  return said.replace(/ LINE \d+: [\s\S]*$/, '')
}

function whereOf(place: SqlPosition | string | undefined): string {
  if (place === undefined) return ''
  return typeof place === 'string' ? `in=${place}` : `line=${place.line} column=${place.column}`
}

function contextOf(place: SqlPosition | string | undefined) {
  return typeof place === 'string' ? { in: place } : { ...place }
}

/** Invalid SQL: it does not parse, or names something that does not exist. Terminal. */
export class SqlInvalidError extends TerminalError {
  readonly code = 'ENGINE_SQL_INVALID'
  readonly position: SqlPosition | undefined
  readonly complaint: SqlComplaint
  readonly #said: string
  readonly #failed: FailedStatement | undefined

  /**
   * @param said the engine's own words; they speak of the SQL text, never of rows
   * @param place in the statement, or in the words of who gave it
   */
  constructor(said: string, place: SqlPosition | string | undefined, failed?: FailedStatement) {
    const where = whereOf(place)
    super(`SQL is not valid${where === '' ? '' : ` [${where}]`}: ${said}`, contextOf(place))
    this.position = typeof place === 'string' ? undefined : place
    this.complaint = complaint(said, place)
    this.#said = said
    this.#failed = failed
  }

  /** Where in a part of the statement it is, from 0; undefined where it is elsewhere. */
  offsetIn(part: string): number | undefined {
    return offsetIn(part, this.#failed)
  }

  /** The same, told of a place that its reader knows. */
  placed(place: string): SqlInvalidError {
    return new SqlInvalidError(withoutPicture(this.#said), place)
  }
}

export const engineErrors = defineErrors({
  /** SQL of a pipeline that reads something other than its inputs, or is not deterministic. Terminal. */
  ENGINE_SQL_REFUSED: terminal(
    (what: string, { message, remedy, position }: Pick<SqlRefusal, 'message' | 'remedy' | 'position'>) => {
      const where = position === undefined ? '' : ` line=${position.line} column=${position.column}`
      return [`SQL of the pipeline is refused [in=${what}${where}]: ${message}; ${remedy}`, { in: what, ...position }]
    },
  ),

  /**
   * The statement needed more memory than the engine may hold. Transient: concurrent statements share the same memory.
   */
  ENGINE_OUT_OF_MEMORY: transient((said: string) => [
    `the engine ran out of memory: ${said}; raise its memory limit, give it fewer threads or run fewer tasks at once`,
    {},
  ]),

  /** The scratch disk is full or at its limit. Transient: space may be freed. */
  ENGINE_DISK_FULL: transient((directory: string, said: string) => [
    `the engine's scratch space is full [directory=${directory}]: ${said}; free space there, use a larger disk or raise CINELAKE_SCRATCH_MIB`,
    { directory },
  ]),

  /** A file that could not be opened, read or written. Transient: a disk or a share may come back. */
  ENGINE_FILE_UNUSABLE: transient((said: string) => [
    `the engine could not use a file: ${said}; check that it is there and that this process may use it`,
    {},
  ]),

  /**
   * A file whose bytes are not those of its format: it was cut off or changed. Terminal: reading it again changes
   * nothing.
   */
  ENGINE_FILE_DAMAGED: terminal((said: string) => [
    `a file that the engine reads is damaged: ${said}; put it back from a copy, or make it again: a table of the lake with \`cinelake rebuild DIR TABLE\`, a landed file by running its window again`,
    {},
  ]),

  /**
   * The engine itself is broken (an assertion of its own failed) and refuses all work until the process is started
   * again.
   */
  ENGINE_BROKEN: transient((said: string) => [`the engine failed inside: ${said}; start the process again`, {}]),

  /**
   * A stream stopped before its last row, and computing it again found no reason. Nothing after it may be taken as
   * complete. Transient.
   */
  ENGINE_STREAM_CUT: transient(() => [
    'the stream of rows ended before its last row, for a reason that did not come back; run the task again',
    {},
  ]),
})

/**
 * SQL that runs but not over this data: a value that does not convert, an overflow, a broken key, a damaged file.
 * Terminal.
 */
export class SqlFailedError extends TerminalError {
  readonly code = 'ENGINE_SQL_FAILED'
  readonly position: SqlPosition | undefined
  readonly complaint: SqlComplaint
  readonly #kind: string
  readonly #place: SqlPosition | string | undefined
  readonly #said: string
  readonly #failed: FailedStatement | undefined

  /**
   * @param said the engine's words with every value taken out
   * @param place in the statement, or in the words of who gave it
   */
  constructor(kind: string, said: string, place: SqlPosition | string | undefined, failed?: FailedStatement) {
    const where = whereOf(place)
    // No cause: the engine's error quotes values of rows, and causes are shown.
    super(
      `SQL failed on the data [kind=${kind}${where === '' ? '' : ` ${where}`}]: ${said}; correct the data or use TRY_CAST`,
      {
        kind,
        ...contextOf(place),
      },
    )
    this.position = typeof place === 'string' ? undefined : place
    this.complaint = complaint(`${said}; correct the data or use TRY_CAST`, place)
    this.#kind = kind
    this.#place = place
    this.#said = said
    this.#failed = failed
  }

  /** Where in a part of the statement it is, from 0; undefined where it is elsewhere. */
  offsetIn(part: string): number | undefined {
    return offsetIn(part, this.#failed)
  }

  /** The same, with the number of rows that have such a value. */
  counted({ failing, checked }: { readonly failing: number; readonly checked: number }): SqlFailedError {
    const said = `${this.#said} (${failing} of ${checked} rows)`
    return new SqlFailedError(this.#kind, said, this.#place, this.#failed)
  }

  /** The same, told of a place that its reader knows. */
  placed(place: string): SqlFailedError {
    return new SqlFailedError(this.#kind, this.#said, place)
  }
}

/**
 * Rejects SQL of a pipeline that reads something other than its inputs before the engine runs it: `validate` reports it
 * as well, but the text may have been checked by another version, or not at all.
 * @param what the SQL is, for the message: `model top_titles`
 * @throws {ENGINE_SQL_REFUSED} terminal
 */
export async function refuseForeignSql(
  session: Pick<SqlSession, 'audit'>,
  what: string,
  sql: string,
  options: AuditOptions,
): Promise<void> {
  const [refusal] = await session.audit(sql, options)
  if (refusal !== undefined) throw engineErrors.ENGINE_SQL_REFUSED(what, refusal)
}
