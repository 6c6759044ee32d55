import { defineConfig } from 'vitest/config'

const conditions = ['@cinelake/source']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['apps/*/src/**/*.test.ts', 'libs/*/src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'],
    reporters: ['default', './tools/vitest-reporter.ts'],
    // DuckDB and PGlite are heavy and native: one process per file keeps a crash and its memory to itself.
    pool: 'forks',
    maxWorkers: 2,
    execArgv: conditions.map((condition) => `--conditions=${condition}`),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
