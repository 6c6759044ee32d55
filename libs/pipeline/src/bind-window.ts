import type { Window } from '@cinelake/core'
import { scanSql } from './sql/parse.ts'

type Bounds = Pick<Window, 'start' | 'end'>

const PLACEHOLDERS = { ':window_start': 'start', ':window_end': 'end' } as const

/**
 * Puts a run's window into a model's SQL: `:window_start` and `:window_end` become `TIMESTAMPTZ '…'` literals. Strings,
 * quoted names and comments are unchanged, and so is the `::` of a cast.
 */
export function bindWindow(sql: string, window: Bounds): string {
  let bound = ''
  for (const piece of scanSql(sql)) bound += piece.kind === 'placeholder' ? bind(piece.text, window) : piece.text
  return bound
}

/** Maps an offset in the SQL with the window put in to the offset in the model's own SQL. */
export function unboundOffset(sql: string, window: Bounds, boundOffset: number): number {
  let length = 0
  for (const piece of scanSql(sql)) {
    const text = piece.kind === 'placeholder' ? bind(piece.text, window) : piece.text
    // An offset within an inserted literal maps to the placeholder.
    if (boundOffset < length + text.length) return piece.offset + (text === piece.text ? boundOffset - length : 0)
    length += text.length
  }
  return sql.length
}

/** Whether a model's SQL depends on its run's window. */
export function asksForWindow(sql: string): boolean {
  return [...scanSql(sql)].some((piece) => piece.kind === 'placeholder' && isPlaceholder(piece.text))
}

/** The unknown placeholders of a SQL text. */
export function unknownPlaceholders(sql: string): { readonly text: string; readonly offset: number }[] {
  const pieces = [...scanSql(sql)].filter((piece) => piece.kind === 'placeholder' && !isPlaceholder(piece.text))
  return pieces.map(({ text, offset }) => ({ text, offset }))
}

function bind(text: string, window: Bounds): string {
  return isPlaceholder(text) ? `TIMESTAMPTZ '${window[PLACEHOLDERS[text]].replaceAll("'", '')}'` : text
}

function isPlaceholder(text: string): text is keyof typeof PLACEHOLDERS {
  return Object.hasOwn(PLACEHOLDERS, text)
}
