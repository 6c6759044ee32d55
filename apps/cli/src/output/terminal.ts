import { styleText } from 'node:util'

/** The output of a command, and its capabilities. */
export type Terminal = {
  /** The result of the command: standard output. */
  readonly print: (text: string) => void
  /** Part of a long result, with backpressure. False when the reader has closed the stream. */
  readonly printAll?: (text: string) => Promise<boolean>
  /** Progress and errors: standard error. */
  readonly note: (text: string) => void
  /** Whether `note` reaches a screen on which lines can be redrawn. */
  readonly isInteractive: boolean
  /** Characters in a line of that screen. */
  readonly columns: () => number
  /** Characters in a line of the screen that `print` reaches; absent without a screen. */
  readonly width?: (() => number) | undefined
  /** Lines of that screen; 24 where unknown. */
  readonly rows?: () => number
  readonly paint: Paint
  /** Asks the user; absent without an interactive terminal. */
  readonly ask?: Ask | undefined
}

/**
 * Asks one question.
 * @param options `choices`: the answers to choose from; `initial`: the answer to nothing
 * @throws {CancelledError} the user left
 */
export type Ask = (
  question: string,
  options?: { readonly choices?: readonly string[] | undefined; readonly initial?: string | undefined },
) => Promise<string>

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Styles a text where colours are enabled; otherwise returns it unchanged. */
export type Paint = (style: Style, text: string) => string

export const plainPaint: Paint = (_, text) => text

// Whether the streams support colours is decided when the terminal is opened.
const colourPaint: Paint = (style, text) => (text === '' ? '' : styleText(style, text, { validateStream: false }))

type Stream = {
  write(text: string): unknown
  writeAll?(text: string): Promise<boolean>
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/**
 * The terminal of this process. Colours only where both streams are a screen, and never against NO_COLOR. Source of the
 * convention: no-color.org
 */
export function openTerminal(stdout: Stream, stderr: Stream, settings: Readonly<Record<string, string>>): Terminal {
  const isScreen = stdout.isTTY === true && stderr.isTTY === true && settings['TERM'] !== 'dumb'
  return {
    print: (text) => void stdout.write(text),
    printAll: async (text) => (await stdout.writeAll?.(text)) ?? (stdout.write(text), true),
    note: (text) => void stderr.write(text),
    isInteractive: stderr.isTTY === true && settings['TERM'] !== 'dumb',
    // Some pseudo-terminals report 0.
    columns: () => ((stderr.columns ?? 0) > 0 ? (stderr.columns ?? 80) : 80),
    rows: () => ((stderr.rows ?? 0) > 0 ? (stderr.rows ?? 24) : 24),
    width: stdout.isTTY === true ? () => ((stdout.columns ?? 0) > 0 ? (stdout.columns ?? 80) : 80) : undefined,
    paint: isScreen && settings['NO_COLOR'] === undefined ? colourPaint : plainPaint,
  }
}
