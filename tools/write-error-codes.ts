import { writeFileSync } from 'node:fs'
import { RUNBOOK, runbookAsDefined } from './runbook-errors.ts'

/** `pnpm docs:errors`: writes the runbook's tables of errors. */
writeFileSync(RUNBOOK, runbookAsDefined())
