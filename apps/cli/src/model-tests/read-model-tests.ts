import { ConfigError, parseWindow, suggest, type Window } from '@cinelake/core'
import {
  columnsOfTables,
  parseYaml,
  type TypedColumn,
  type CheckedModel,
  type CheckedPipeline,
} from '@cinelake/pipeline'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml'

/** A value of a row as text that the engine can cast to the column's type; null for NULL. */
export type Cell = string | null | readonly Cell[]
export type GivenRow = Readonly<Record<string, Cell>>

/** One test case of a model: the rows of its inputs, and the expected result. */
export type ModelTest = {
  /** `tests/sales_by_day.yaml:4` */
  readonly place: string
  readonly name: string
  readonly model: CheckedModel
  readonly window: Window
  /**
   * Rows by table. A table that is not named is empty; the model's own name stands for the previous content of its
   * table.
   */
  readonly given: ReadonlyMap<string, readonly GivenRow[]>
  /** The whole table after the build, in the columns that the rows name. Undefined: not compared. */
  readonly expect: readonly GivenRow[] | undefined
  /** Rejected rows by rule: all of them. */
  readonly rejects: Readonly<Record<string, number>>
  /** The rule or the error code that has to stop the build. */
  readonly fails: string | undefined
}

/** The folder of a pipeline's tests. */
export const TESTS_FOLDER = 'tests'

const KEYS = ['name', 'window', 'given', 'expect', 'rejects', 'fails'] as const

/**
 * The tests of a pipeline: `tests/*.yaml`, each file for one model.
 * @throws {ConfigError} terminal: every mistake in the files, with file and line
 */
export async function readModelTests(folder: string, pipeline: CheckedPipeline): Promise<ModelTest[]> {
  const below = path.join(folder, TESTS_FOLDER)
  const names = await readdir(below).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new ConfigError('the tests cannot be read', [`${below}: ${error.message}`], { cause: error })
  })
  const problems: string[] = []
  const tests: ModelTest[] = []
  for (const name of names.filter((each) => /\.ya?ml$/.test(each)).sort()) {
    const reader = new TestFile(`${TESTS_FOLDER}/${name}`, await readFile(path.join(below, name), 'utf8'), pipeline)
    tests.push(...reader.read())
    problems.push(...reader.problems)
  }
  if (problems.length > 0) throw new ConfigError('the tests cannot be used', problems)
  return tests
}

class TestFile {
  readonly problems: string[] = []
  readonly #file: string
  readonly #pipeline: CheckedPipeline
  readonly #lines: LineCounter
  readonly #root: Node | null
  readonly #tables: ReadonlyMap<string, readonly TypedColumn[]>

  constructor(file: string, text: string, pipeline: CheckedPipeline) {
    this.#file = file
    this.#pipeline = pipeline
    this.#tables = columnsOfTables(pipeline)
    const { document, lines, faults } = parseYaml(text)
    this.#lines = lines
    for (const { line, message, remedy } of faults) this.problems.push(`${file}:${line}: ${message}; ${remedy}`)
    this.#root = faults.length > 0 ? null : document.contents
  }

  read(): ModelTest[] {
    if (this.#root === null) return []
    const top = this.#fields(this.#root, ['model', 'tests'])
    const named = path.basename(this.#file).replace(/\.ya?ml$/, '')
    const name = scalarText(top.get('model')) ?? named
    const model = this.#pipeline.models.find((each) => each.name === name)
    if (model === undefined) {
      const known = this.#pipeline.models.map((each) => each.name)
      this.#problem(top.get('model'), `there is no model ${name}: ${suggest(name, known)}`)
      return []
    }
    const tests = top.get('tests')
    if (!isSeq(tests)) {
      this.#problem(tests, 'expected a list of tests under `tests`')
      return []
    }
    return tests.items.flatMap((test) => this.#test(test as Node, model) ?? [])
  }

  #test(node: Node, model: CheckedModel): ModelTest | undefined {
    const fields = this.#fields(node, KEYS)
    const name = scalarText(fields.get('name'))
    if (name === undefined) this.#problem(node, 'a test needs a `name` that says what holds')
    const fails = scalarText(fields.get('fails'))
    const expect = fields.has('expect') ? this.#rows(fields.get('expect'), model.name, 'expect') : undefined
    if (expect === undefined && fails === undefined && !fields.has('rejects')) {
      this.#problem(node, 'expected `expect`, `rejects` or `fails`: a test that expects nothing cannot fail')
    }
    return {
      place: this.#placeOf(node),
      name: name ?? '',
      model,
      window: this.#window(fields.get('window')),
      given: this.#given(fields.get('given'), model),
      expect,
      rejects: this.#rejects(fields.get('rejects')),
      fails,
    }
  }

  #window(node: Node | undefined): Window {
    const { schedule } = this.#pipeline
    const label = scalarText(node) ?? schedule.start
    const window = parseWindow(schedule, label) ?? parseWindow(schedule, schedule.start)
    if (window === undefined || parseWindow(schedule, label) === undefined) {
      this.#problem(node, `window ${label} is no ${schedule.every}: expected one written like ${schedule.start}`)
    }
    return window ?? { label, start: '', end: '' }
  }

  #given(node: Node | undefined, model: CheckedModel): Map<string, readonly GivenRow[]> {
    const given = new Map<string, readonly GivenRow[]>()
    const allowed = [...model.inputs, model.name]
    for (const [table, rows] of this.#fields(node, allowed, `model ${model.name} does not read it`)) {
      given.set(table, this.#rows(rows, table, `given ${table}`))
    }
    return given
  }

  #rows(node: Node | undefined, table: string, what: string): GivenRow[] {
    if (!isSeq(node)) {
      this.#problem(node, `${what}: expected a list of rows, \`- { column: value }\`; \`[]\` for none`)
      return []
    }
    const columns = (this.#tables.get(table) ?? []).map(({ name }) => name)
    return node.items.map((row) => {
      const cells = this.#fields(row as Node, columns, `table ${table} has no such column`)
      return Object.fromEntries([...cells].map(([column, cell]) => [column, cellOf(cell)]))
    })
  }

  #rejects(node: Node | undefined): Record<string, number> {
    if (node === undefined) return {}
    if (!isMap(node)) {
      this.#problem(node, 'rejects: expected the number of rows by rule, `rejects: { unknown_title: 1 }`')
      return {}
    }
    const counts = node.items.map(({ key, value }) => {
      const count = Number(scalarText(value as Node))
      if (!Number.isInteger(count) || count < 0) this.#problem(key as Node, 'expected a number of rows')
      return [scalarText(key as Node) ?? '', count] as const
    })
    return Object.fromEntries(counts)
  }

  /** The entries of a mapping; unknown keys are reported. */
  #fields(node: Node | null | undefined, allowed: readonly string[], why = 'unknown key'): Map<string, Node> {
    const found = new Map<string, Node>()
    if (node === undefined || node === null) return found
    if (!isMap(node)) {
      this.#problem(node, `expected a mapping with ${allowed.join(', ')}`)
      return found
    }
    for (const { key, value } of node.items) {
      const name = scalarText(key as Node) ?? ''
      if (allowed.includes(name)) found.set(name, value as Node)
      else this.#problem(key as Node, `${name}: ${why}; ${suggest(name, allowed)}`)
    }
    return found
  }

  #problem(node: Node | undefined, message: string): void {
    this.problems.push(`${this.#placeOf(node)}: ${message}`)
  }

  #placeOf(node: Node | undefined): string {
    return `${this.#file}:${this.#lines.linePos(node?.range?.[0] ?? 0).line}`
  }
}

/** A scalar with its source text: `10.00` keeps its digits, which a JavaScript number would not. */
function scalarText(node: Node | null | undefined): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined
  return typeof node.value === 'string' ? node.value : (node.source ?? JSON.stringify(node.value))
}

function cellOf(node: Node | null): Cell {
  if (isSeq(node)) return node.items.map((item) => cellOf(item as Node))
  return scalarText(node) ?? null
}
