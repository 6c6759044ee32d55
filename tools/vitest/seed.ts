import { randomInt } from 'node:crypto'

/** What `CINELAKE_TEST_SEED` names without being set: with it a run of the tests does the same as the one before. */
export const ORDINARY_SEED = 20_261_130

/** fast-check takes signed integers of 32 bits. Source: fast-check.dev/docs/configuration/user-definable-values */
const SEED_LIMIT = 2 ** 31

/**
 * The seed of everything that tests choose at random, from `CINELAKE_TEST_SEED`: not set, the one of every ordinary run;
 * `random`, another one for each run; a number, that one.
 */
export function seedFrom(setting: string | undefined): number {
  if (setting === undefined || setting === '') return ORDINARY_SEED
  if (setting === 'random') return randomInt(SEED_LIMIT)
  if (/^\d{1,10}$/.test(setting) && Number(setting) < SEED_LIMIT) return Number(setting)
  throw new Error(`CINELAKE_TEST_SEED is wrong: expected random, or a whole number below ${SEED_LIMIT}, got ${setting}`)
}

/** The seed of this run. */
export function seedOfRun(): number {
  return seedFrom(process.env['CINELAKE_TEST_SEED'])
}
