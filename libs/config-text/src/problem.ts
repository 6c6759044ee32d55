/** Something in a pipeline's text that is wrong, or that may not be what was meant. */
export type Problem = {
  /** `error`: the pipeline cannot be used. `warning`: it can, but look at this. */
  readonly severity: 'error' | 'warning'
  /** Relative to the pipeline's folder, with `/`. */
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based, in characters. */
  readonly column: number
  /** What is wrong. */
  readonly message: string
  /** What would be right. */
  readonly remedy: string
}

/** A place in a file. */
export type Place = Pick<Problem, 'file' | 'line' | 'column'>

/** `pipeline.yaml:12:5 error: unknown key \`fils\`; did you mean \`files\`?` */
export function formatProblem({ file, line, column, severity, message, remedy }: Problem): string {
  return `${file}:${line}:${column} ${severity}: ${message}; ${remedy}`
}

/** Where everything that checks a pipeline reports what it finds; each problem once, whatever way led to it. */
export class Problems {
  readonly #found = new Map<string, Problem>()

  error(place: Place, message: string, remedy: string): void {
    this.#add({ severity: 'error', ...positionOf(place), message, remedy })
  }

  warning(place: Place, message: string, remedy: string): void {
    this.#add({ severity: 'warning', ...positionOf(place), message, remedy })
  }

  get hasErrors(): boolean {
    return [...this.#found.values()].some((problem) => problem.severity === 'error')
  }

  /** By file, line and column: the order in which a person works through them. */
  sorted(): Problem[] {
    return [...this.#found.values()].sort(
      (one, other) => compare(one.file, other.file) || one.line - other.line || one.column - other.column,
    )
  }

  #add(problem: Problem): void {
    this.#found.set(JSON.stringify([problem.file, problem.line, problem.column, problem.message]), problem)
  }
}

const positionOf = ({ file, line, column }: Place): Place => ({ file, line, column })

/** By code unit, so that the order does not depend on a machine's language. */
export function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
