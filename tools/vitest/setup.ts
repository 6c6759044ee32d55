import fc from 'fast-check'
import { seedFrom } from './seed.ts'

// vitest.config.ts hands a number to every process, so that one run has one seed.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: seedFrom(process.env['CINELAKE_TEST_SEED']) })
