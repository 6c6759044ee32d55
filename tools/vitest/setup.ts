import fc from 'fast-check'
import { seedOfRun } from './seed.ts'

// vitest.config.ts hands a number to every process, so that one run has one seed.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: seedOfRun() })
