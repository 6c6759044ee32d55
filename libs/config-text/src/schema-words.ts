import { z } from 'zod'

/** Characters. PostgreSQL cuts longer names off. Source: postgresql.org/docs/current/sql-syntax-lexical.html */
export const MAX_NAME_LENGTH = 63

/** A name that is a table in SQL, a folder in the lake and a part of a task's name. */
export const tableName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'expected letters, digits and `_`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)

/** A name that is a folder in the lake and a part of a task's name. */
export const plainName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'expected letters, digits, `_` and `-`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)

export const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'expected a number and a unit (`ms`, `s`, `m`, `h`, `d`), such as `90s` or `3h`')

/** Milliseconds in each unit that durations are written with. */
const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `3h` in milliseconds. The text's form has been checked. */
export function durationMs(text: string): number {
  return inUnit(text, DURATION_UNITS)
}

/** An amount of bytes. */
export const size = z
  .string()
  .regex(/^\d+(KB|MB|GB|KiB|MiB|GiB)$/, 'expected a number and a unit (`KB`, `MB`, `GB`, `MiB` …), such as `10MB`')

/** Bytes in each unit that sizes are written with. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** `10MB` in bytes. The text's form has been checked. */
export function sizeBytes(text: string): number {
  return inUnit(text, SIZE_UNITS)
}

function inUnit(text: string, units: Readonly<Record<string, number>>): number {
  const [, amount = '0', unit = ''] = /^(\d+)(\D+)$/.exec(text) ?? []
  return Number(amount) * (units[unit] ?? 1)
}

const word = z.union([z.string(), z.int()]).transform(String)
export const words = z.array(word)
export const text = z.string().min(1, 'expected a text that is not empty')
export const oneCharacter = z.string().regex(/^[\t -~]$/, 'expected one character of ASCII')

/** Texts may hold placeholders (`${NAME}`, `${secret:NAME}`), filled by the service that uses them. */
export const template = z.string()

/**
 * Whether a path that is written relative to a folder leads to something in that folder, on whatever system: it is not
 * absolute, names no drive, and goes up nowhere.
 */
export function staysBelow(path: string): boolean {
  return !/^[/\\]|^[A-Za-z]:|\p{Cc}/u.test(path) && !path.split(/[/\\]/).includes('..')
}

/** Whether a path says where it begins: `/done`, `D:\\done`, `\\\\server\\share`. */
export function isAbsolutePath(path: string): boolean {
  return /^\/|^\\\\|^[A-Za-z]:[/\\]/.test(path)
}
