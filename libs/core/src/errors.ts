/** What an error is about, as `key=value` pairs: names and numbers, never row contents or secrets. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null>>

/**
 * The root of every error that Cinelake raises on purpose. Messages read: what failed [key=value]: expected X, got Y;
 * what to do.
 */
export abstract class PipelineError extends Error {
  /** Stable, greppable, used by alerts and runbooks: `AREA_REASON`. Never reworded. */
  abstract readonly code: string
  /** Whether the same input may succeed later. The bus and the scheduler read this and nothing else. */
  abstract readonly retryable: boolean
  readonly context: ErrorContext

  constructor(message: string, context: ErrorContext, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.context = context
  }
}

/** Permanent: bad data, bad configuration, a broken contract. A retry with the same input cannot help. */
export abstract class TerminalError extends PipelineError {
  readonly retryable = false
}

/** Temporary: a server that is unavailable, a lock held by another process, a timeout. A retry may help. */
export abstract class TransientError extends PipelineError {
  readonly retryable = true
}

/** The text of an error: the message, and the facts in it. */
export type ErrorText = readonly [message: string, context: ErrorContext]

/** Makes an error with its code; the last argument may be the options of `Error`, with the cause. */
type Raise<Args extends readonly unknown[], Raised> = (...args: [...Args, options?: ErrorOptions]) => Raised

/** A row of `defineErrors`: a permanent error. */
export function terminal<Args extends readonly unknown[]>(describe: (...args: Args) => ErrorText) {
  return (code: string): Raise<Args, TerminalError> =>
    raiserOf(
      code,
      describe,
      class extends TerminalError {
        readonly code = code
      },
    )
}

/** A row of `defineErrors`: a temporary error. */
export function transient<Args extends readonly unknown[]>(describe: (...args: Args) => ErrorText) {
  return (code: string): Raise<Args, TransientError> =>
    raiserOf(
      code,
      describe,
      class extends TransientError {
        readonly code = code
      },
    )
}

type Row = (code: string) => (...args: never[]) => PipelineError

/**
 * The errors of an area that no caller tells apart by class: `throw lakeErrors.LAKE_PATH_INVALID(path, problem, { cause
 * })`. An error that is caught gets a class of its own.
 * @param rows by code, `AREA_REASON`: unique in the repository, and never reworded
 */
export function defineErrors<Rows extends Readonly<Record<string, Row>>>(
  rows: Rows,
): { readonly [Code in keyof Rows]: ReturnType<Rows[Code]> } {
  const raisers = Object.entries(rows).map(([code, row]) => [code, row(code)] as const)
  return Object.fromEntries(raisers) as { readonly [Code in keyof Rows]: ReturnType<Rows[Code]> }
}

function raiserOf<Args extends readonly unknown[], Raised extends PipelineError>(
  code: string,
  describe: (...args: Args) => ErrorText,
  Raised: new (message: string, context: ErrorContext, options?: ErrorOptions) => Raised,
): Raise<Args, Raised> {
  return (...args) => {
    const [message, context] = describe(...(args as unknown as Args))
    const error = new Raised(message, context, args.find(isCause))
    error.name = code
    return error
  }
}

/** Only the options have a cause: facts about an error are texts and numbers. */
const isCause = (argument: unknown): argument is ErrorOptions =>
  typeof argument === 'object' && argument !== null && !(argument instanceof Error) && 'cause' in argument

/** Settings or arguments that cannot be used. Carries every problem found, so that one edit can fix them all. */
export class ConfigError extends TerminalError {
  readonly code = 'CONFIG_INVALID'
  readonly problems: readonly string[]

  constructor(what: string, problems: readonly string[], options?: ErrorOptions) {
    super(`${what}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`, {}, options)
    this.problems = problems
  }
}

/** The work was cancelled (SIGTERM, Ctrl-C, a lost lock). It may be done again from the start. */
export class CancelledError extends TransientError {
  readonly code = 'WORK_CANCELLED'

  constructor(what: string, options?: ErrorOptions) {
    super(`${what} was stopped before it was done; it starts again with the next attempt`, {}, options)
  }
}

/** An error as it travels in events and is kept in the run history. */
export type ErrorReport = {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly context: ErrorContext
}

/**
 * An error that was not raised on purpose is a bug: it is retried, since the cause may be temporary, and then reported
 * unchanged.
 */
export const UNEXPECTED = 'UNEXPECTED_ERROR'

/**
 * Converts a thrown value for display; every cause that has a message is appended once.
 * @param redact removes secrets from its texts before they leave the process
 */
export function reportError(thrown: unknown, redact = (text: string) => text): ErrorReport {
  const message = redact(withCauses(thrown))
  if (!(thrown instanceof PipelineError)) return { code: UNEXPECTED, message, retryable: true, context: {} }
  const context = Object.entries(thrown.context).map(
    ([key, value]) => [key, typeof value === 'string' ? redact(value) : value] as const,
  )
  return { code: thrown.code, message, retryable: thrown.retryable, context: Object.fromEntries(context) }
}

/** Number of causes followed: enough for any real chain, and a bound for a circular one. */
const MAX_CAUSES = 10

function withCauses(thrown: unknown): string {
  const parts: string[] = []
  for (let [cause, depth] = [thrown, 0]; cause !== undefined && depth < MAX_CAUSES; depth++) {
    const text = thrownText(cause)
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return parts.join('; caused by: ') || thrownName(thrown)
}

/** A thrown value as text: libraries also throw texts and objects, for which `String` returns `[object Object]`. */
export function reasonOf(thrown: unknown): string {
  const text = thrownText(thrown)
  return text === '' ? thrownName(thrown) : text
}

function thrownText(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(thrownText).join(', ')
  if (thrown instanceof Error) return thrown.message
  // Its properties are not shown: they may hold anything, and this text leaves the process.
  return typeof thrown === 'string' ? thrown : thrownName(thrown)
}

function thrownName(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.name
  if (typeof thrown !== 'object' || thrown === null) return `a thrown ${thrown === null ? 'null' : typeof thrown}`
  const [name, number] = ['name' in thrown ? thrown.name : '', 'errno' in thrown ? thrown.errno : '']
  const facts = [typeof name === 'string' ? name : '', typeof number === 'number' ? `errno ${number}` : '']
  const known = facts.filter((fact) => fact !== '').join(', ')
  return `a thrown object${known === '' ? '' : ` (${known})`}`
}
