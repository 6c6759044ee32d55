import { startSampleCompany } from './sample-company.ts'

/** A process that starts a company, reports it, advances it by one day, and waits to be killed. */
const [directory = '', date] = process.argv.slice(2)
const company = await startSampleCompany({ directory, scale: 0.2, seed: 7 })
process.stdout.write('started\n')
if (date !== undefined) await company.advanceTo(date)
process.stdout.write('advanced\n')
