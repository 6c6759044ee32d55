import { availableParallelism } from 'node:os'
import { z } from 'zod'
import type { EngineLimits } from './engine.ts'

const MIB = 1024 * 1024

/**
 * The settings of the SQL engine, as they come from the environment; an app spreads them into its own.
 * @param memoryMib default memory limit of the engine
 */
export const engineEnv = (memoryMib: number) => ({
  /** MiB that the engine may hold in memory; beyond that it spills to the scratch directory. */
  CINELAKE_ENGINE_MEMORY_MIB: z.coerce.number().int().min(64).default(memoryMib),
  CINELAKE_ENGINE_THREADS: z.coerce.number().int().min(1).default(availableParallelism()),
  /** Where the engine spills to, and where files are kept that are on their way to the lake or from it. */
  CINELAKE_SCRATCH: z.string().default('.cinelake/scratch'),
  /** MiB that the engine may spill. Local copies of lake objects may take as much again; see `@cinelake/lake`. */
  CINELAKE_SCRATCH_MIB: z.coerce.number().int().min(64).default(10_240),
})

/** The engine that runs models, for the settings of a program that runs them. */
export const modelRunnerEnv = {
  /** `duckdb:`, the engine of the process. */
  CINELAKE_ENGINE: z.string().default('duckdb:'),
}

type EngineEnv = z.output<z.ZodObject<ReturnType<typeof engineEnv>>>

/** The limits of the engine among the settings of a process. */
export function engineSettings(env: EngineEnv): EngineLimits {
  return {
    memoryBytes: env.CINELAKE_ENGINE_MEMORY_MIB * MIB,
    threads: env.CINELAKE_ENGINE_THREADS,
    scratchDirectory: env.CINELAKE_SCRATCH,
    spillBytes: env.CINELAKE_SCRATCH_MIB * MIB,
  }
}
