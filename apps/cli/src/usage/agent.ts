import type { Command } from 'commander'
import type { AddCommand, CommandContext } from '../command.ts'
import type { CheckOptions, ListOptions } from '../commands/agent.ts'
import { pipelineFolder, withExamples, withJson, withState } from '../options.ts'

/** `cinelake agent check`, `cinelake agent list` (also `cinelake agents`) */
export const addAgent: AddCommand = (program, context) => {
  const group = program
    .command('agent')
    .alias('agents')
    .summary('the on-prem agents: which there are, and whether a site has what it needs')
    .description('The agents that land files and databases of a site.')
  addList(group, context)
  addCheck(group, context)
}

function addCheck(group: Command, context: CommandContext): void {
  const command = group
    .command('check')
    .summary('check everything that this machine needs to be an agent')
    .description(
      'Checks with the settings of this machine what an agent needs: version, disk, proxy, certificates, its queue, the ' +
        "lake, the clock, and with --pipeline the folders and databases of its site's sources. Says what is fine and what " +
        'to fix. Takes no command and lands nothing; to find out whether it may, it sends the scheduler one heartbeat, and ' +
        'writes and deletes one object of the lake. Exit code 1 when there is something to fix.',
    )
    .option('--pipeline <dir>', "the pipeline's folder: its sources of this site are checked as well", pipelineFolder)
    .action(async (options: CheckOptions) => {
      const { check } = await import('../commands/agent.ts')
      await check(options, context)
    })
  withExamples(withJson(command), [
    ['cinelake agent check', 'bus, lake and machine'],
    ['cinelake agent check --pipeline pipelines/mine', 'folders and databases, too'],
  ])
}

function addList(group: Command, context: CommandContext): void {
  const command = group
    .command('list', { isDefault: true })
    .summary('show the agents by their latest heartbeat')
    .description('Shows the agents that the scheduler has heard of, each with its latest heartbeat.')
    .action(async (options: ListOptions) => {
      const { list } = await import('../commands/agent.ts')
      await list(options, context)
    })
  withExamples(withJson(withState(command)), [['cinelake agents', 'all of them']])
}
