import { mergeConfig } from 'vitest/config'
import { slowFiles } from './tools/vitest/slow.ts'
import config from './vitest.config.ts'

/** `pnpm test:fast`: what tells within minutes, without killed processes, servers and containers. */
export default mergeConfig(config, { test: { exclude: slowFiles(import.meta.dirname) } })
