import { realpath } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The pipeline that comes with Cinelake, which `cinelake demo` runs. */
export const SHIPPED_PIPELINE = fileURLToPath(new URL('../../../pipelines/ott', import.meta.url))

/** The name of its folder in run histories: another installation has it at another path. */
const SHIPPED_ORIGIN = 'the pipeline that comes with Cinelake'

/** The canonical path of a pipeline's folder in the run history, however it is written on the command line. */
export async function originOf(folder: string): Promise<string> {
  const place = await realpath(folder)
  return place === (await shippedPlace()) ? SHIPPED_ORIGIN : place
}

export async function isShipped(folder: string): Promise<boolean> {
  return (await realpath(folder).catch(() => undefined)) === (await shippedPlace())
}

async function shippedPlace(): Promise<string | undefined> {
  return await realpath(SHIPPED_PIPELINE).catch(() => undefined)
}
