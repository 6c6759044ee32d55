import { createHash } from 'node:crypto'
import type { Window } from './window.ts'

/** Identifies a run by its pipeline and its window: asking twice gives the same run. `ott@2026-03-01`. */
export function runIdOf(pipeline: string, window: Window): string {
  return `${pipeline}@${window.label}`
}

/**
 * A task's name as a file name: `ingest crm/users` → `ingest-crm.users`. Distinct names stay distinct: characters other
 * than letters, digits, `_`, space and slash are percent-encoded, `-` and `.` included.
 */
export function taskFileName(task: string): string {
  return task.replace(/[^A-Za-z0-9_]/gu, (char) => (char === ' ' ? '-' : char === '/' ? '.' : percentEncoded(char)))
}

/** Lowercase hex SHA-256 of a text or of bytes. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

function percentEncoded(char: string): string {
  return Buffer.from(char).toString('hex').toUpperCase().replaceAll(/../g, '%$&')
}
