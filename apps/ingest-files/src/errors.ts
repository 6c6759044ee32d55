import { TerminalError } from '@cinelake/core'

/** A command for something that its pipeline does not have, or that another service does. */
export class CommandUnknownError extends TerminalError {
  readonly code = 'INGEST_COMMAND_UNKNOWN'

  constructor(
    command: { readonly task: string; readonly pipeline: { readonly name: string; readonly digest: string } },
    what: string,
  ) {
    super(
      `command means nothing to this agent [task=${command.task} pipeline=${command.pipeline.name}]: expected ${what} to be files or a table of a database in the pipeline's text, got something else; start the run again with the pipeline as it is now`,
      { task: command.task, pipeline: command.pipeline.name, digest: command.pipeline.digest },
    )
  }
}
