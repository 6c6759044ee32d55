import type { BenchData } from './generate.ts'

/** One contestant's task: make the tables from the CSVs into `out`, within the engine's memory limit. */
export type Contest = {
  readonly data: BenchData
  /** Emptied first. */
  readonly out: string
  /** DuckDB's spelling: `1GB`. */
  readonly memory: string
  /** Only the viewings' typed, checked, deduplicated table; no models. */
  readonly refineOnly: boolean
  /** Says how long each task took, on standard error. */
  readonly verbose?: boolean
}

/** What a contestant's process reports: of the whole process, start-up included. */
export type Measured = {
  readonly wallMs: number
  readonly cpuMs: number
  readonly peakMiB: number
  readonly rowCount: number
}
