import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { apply, type State, type Step } from './state.ts'

/** Keeps an account's state across restarts: one line for each request that changed something. */
export type Journal = {
  readonly state: State
  /**
   * Carries out the steps of one request, all or none. Synchronous, so that what was checked still holds and what is
   * answered is on record.
   * @returns files of the block store that nothing names any more
   */
  commit(steps: readonly Step[]): string[]
  close(): void
}

/**
 * Opens a journal and rewrites it without replaced entries; a line that a killed process left half-written is dropped.
 */
export function openJournal(file: string): Journal {
  const state: State = new Map()
  for (const steps of linesOf(file)) for (const step of steps) apply(state, step)
  writeFileSync(`${file}.new`, [...wholeState(state)].map(lineOf).join(''))
  renameSync(`${file}.new`, file)
  const handle = openSync(file, 'a')
  return {
    state,
    commit(steps) {
      writeSync(handle, lineOf(steps))
      const unnamed = new Set<string>()
      for (const step of steps) for (const name of apply(state, step)) unnamed.add(name)
      for (const step of steps) for (const name of namesIn(step)) unnamed.delete(name)
      return [...unnamed]
    },
    close: () => closeSync(handle),
  }
}

/** A rename takes a node away in one step and sets it in another: its bytes stay. */
function namesIn(step: Step): string[] {
  return step.op === 'set' && step.node.kind === 'file' ? step.node.blocks.map(({ file }) => file) : []
}

function* linesOf(file: string): Generator<readonly Step[]> {
  if (!existsSync(file)) return
  const lines = readFileSync(file, 'utf8').split('\n')
  // What follows the last line end is empty, or was cut off.
  for (const line of lines.slice(0, -1)) yield JSON.parse(line) as Step[]
}

function* wholeState(state: State): Generator<readonly Step[]> {
  for (const [container, { createdAt, nodes, staged }] of state) {
    yield [{ op: 'create-container', container, at: createdAt }]
    for (const [path, node] of nodes) yield [{ op: 'set', container, path, node }]
    for (const [path, blocks] of staged) {
      for (const block of blocks.values()) yield [{ op: 'stage', container, path, block }]
    }
  }
}

function lineOf(steps: readonly Step[]): string {
  return `${JSON.stringify(steps)}\n`
}
