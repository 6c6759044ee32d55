import { silentLog } from '@cinelake/core'
import { serveHttpApi } from '@cinelake/scheduler/http-server'
import { join } from 'node:path'
import { plainPaint, type Terminal } from './output/terminal.ts'
import { openPlatform } from './platform.ts'
import { usablePipeline } from './read-folder.ts'
import { platformConfig } from './settings.ts'
import { aStarter, cinelake } from './testing.fixture.ts'

const silent: Terminal = { print() {}, note() {}, isInteractive: false, columns: () => 100, paint: plainPaint }

/** A platform with its scheduler's HTTP API, on the pipeline of a folder. The command line has only the address. */
export async function aScheduler({ works = true } = {}) {
  await using opening = new AsyncDisposableStack()
  const starter = opening.use(await aStarter())
  const config = platformConfig({}, starter.state)
  const read = async () => await usablePipeline(starter.folder, config)
  const pipeline = await read()
  const platform = opening.use(await openPlatform(config, {}, silent))
  const { scheduler } = platform
  if (works) await platform.work()
  const pipelines = [pipeline]
  const { url } = opening.use(
    await serveHttpApi({ scheduler, pipelines, log: silentLog }, { host: '127.0.0.1', port: 0 }),
  )
  // A platform opened by the command line itself would be here.
  const elsewhere = join(starter.state, '..', 'elsewhere')
  const settings = {
    CINELAKE_API: `${url}/`,
    CINELAKE_BUS: 'sb://127.0.0.1:1',
    CINELAKE_BUS_CONNECTION_STRING:
      'Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=x;SharedAccessKey=x;UseDevelopmentEmulator=true;',
    CINELAKE_WAREHOUSE: `pglite:${elsewhere}/warehouse`,
    CINELAKE_LAKE: `file:${elsewhere}/lake`,
  }
  const owned = opening.move()
  return {
    ...starter,
    url,
    scheduler,
    settings,
    work: platform.work,
    /** Updates the scheduler to the current text of the folder. */
    deploy: async () => void pipelines.splice(0, 1, await read()),
    cinelake: (...args: string[]) => cinelake(args, settings),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}
