import { systemClock } from '@cinelake/core'
import { runService } from '@cinelake/service'
import { lastDueDay } from './company-days.ts'
import { SampleCompanyEnv } from './config.ts'
import { keepUp } from './keep-up.ts'
import { startSampleCompany } from './sample-company.ts'

/** The sample company as a separate program, for platforms that run as containers beside it. */
await runService('sample-company', SampleCompanyEnv, async ({ config, log, use }) => {
  const { day, firstDay = lastDueDay(systemClock()), ...options } = config
  const company = use(await startSampleCompany({ ...options, firstDay }))
  log.info({ firstDay: company.firstDay, ...company.settings }, 'the sample company is open')
  if (day !== undefined) await company.advanceTo(day)
  else use(await keepUp({ company, clock: systemClock, log }))
})
