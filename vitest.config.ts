import { defineConfig } from 'vitest/config'
import { seedOfRun } from './tools/vitest/seed.ts'
import { TEST_FILES } from './tools/vitest/slow.ts'

const conditions = ['@cinelake/source']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: TEST_FILES,
    tags: [{ name: 'slow', description: 'Kills processes, needs servers or containers, or takes long.' }],
    reporters: ['default', './tools/vitest/reporter.ts'],
    setupFiles: ['./tools/vitest/setup.ts'],
    // Chosen once for all processes of a run.
    env: { CINELAKE_TEST_SEED: String(seedOfRun()) },
    // DuckDB and PGlite are heavy and native: one process per file keeps a crash and its memory to itself.
    pool: 'forks',
    maxWorkers: 2,
    execArgv: conditions.map((condition) => `--conditions=${condition}`),
    // Only what hangs ends by these: a machine that is shared may be ten times as slow as one that is not.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
  },
})
