import { TerminalError } from '@cinelake/core'
import { isUniqueViolation } from '../errors.ts'
import { OPS, type RunDatabase } from '../schema/tables.ts'

/** Two folders have pipelines of one name: the runs of one would be taken for those of the other. */
export class PipelineOriginError extends TerminalError {
  readonly code = 'PIPELINE_NAME_TAKEN'

  constructor(pipeline: string, known: string, folder: string) {
    super(
      `the name of the pipeline is taken by another folder [pipeline=${pipeline}]: expected ${known}, whose runs and tables these are, got ${folder}; ` +
        `give the pipeline in ${folder} a name of its own (\`pipeline:\` in its pipeline.yaml), or, if the folder was moved there, run it once with --moved`,
      { pipeline, known, folder },
    )
  }
}

export type PipelineOrigins = {
  /**
   * Takes the name of a pipeline for a folder: the first that runs it has it.
   * @param folder stable: its real path
   * @param moved the folder that has the name was moved here
   * @throws {PipelineOriginError} terminal: another folder has the name
   */
  readonly claim: (pipeline: string, folder: string, options?: { readonly moved?: boolean }) => Promise<void>
}

/** Which folder the runs of a pipeline come from. Deployed schedulers do not note it: replicas may have it elsewhere. */
export function createPipelineOrigins(database: RunDatabase, clock: () => Date): PipelineOrigins {
  const db = database.db.withSchema(OPS)
  const folderOf = async (pipeline: string) =>
    (await db.selectFrom('pipeline_origins').select('folder').where('pipeline', '=', pipeline).executeTakeFirst())
      ?.folder

  return {
    async claim(pipeline, folder, { moved = false } = {}) {
      let known = await folderOf(pipeline)
      if (known === undefined) {
        try {
          await db.insertInto('pipeline_origins').values({ pipeline, folder, noted_at: clock() }).execute()
          return
        } catch (error) {
          if (!isUniqueViolation(error)) throw error
          known = await folderOf(pipeline)
        }
      }
      if (known === undefined || known === folder) return
      if (!moved) throw new PipelineOriginError(pipeline, known, folder)
      await db
        .updateTable('pipeline_origins')
        .set({ folder, noted_at: clock() })
        .where('pipeline', '=', pipeline)
        .execute()
    },
  }
}
