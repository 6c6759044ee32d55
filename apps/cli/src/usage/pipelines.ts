import { databaseQuestions } from '@cinelake/source-database/questions'
import { filesQuestions } from '@cinelake/source-files/questions'
import type { SourceQuestions } from '@cinelake/source-kind/questions'
import { pushQuestions } from '@cinelake/source-push/questions'
import { restQuestions } from '@cinelake/source-rest/questions'
import type { Command } from 'commander'
import type { AddCommand, CommandContext } from '../command.ts'
import {
  lazily,
  FILE_ROWS,
  SAMPLE_ROWS,
  SELECTORS,
  integer,
  listed,
  pipelineFolder,
  positiveInteger,
  positiveNumber,
  withExamples,
  withJson,
  withState,
} from '../options.ts'

/** The kinds of sources that can be added, in the order in which help names them. */
const ADDED_KINDS: readonly SourceQuestions[] = [restQuestions, filesQuestions, databaseQuestions, pushQuestions]

const addDemo: AddCommand = (program, context) => {
  const command = program
    .command('demo')
    .summary('run the shipped pipeline on a sample company')
    .description(
      'Makes a sample streaming company - catalogue files, a REST API and a billing database - and runs the shipped ' +
        'pipeline on it: one full day, then the next with changed data. Ends with a summary. What is done already is not ' +
        'done again, so a demo that was stopped resumes.',
    )
    .option('--scale <factor>', 'size of the company; 100 has a hundred times the rows of 1', positiveNumber, 1)
    .option('--seed <number>', 'the same seed makes the same company', integer, 1)
    .option('--days <count>', 'days to run', positiveInteger, 2)
    .option('--adopt', 'take over a run history on a database server that an earlier version made')
    .action(lazily(context, async () => (await import('../commands/demo.ts')).demo))
  withExamples(withJson(withState(command)), [
    ['cinelake demo', 'two days, kept in .cinelake'],
    ['cinelake demo --scale 10 --state /tmp/large', 'ten times as large, kept elsewhere'],
  ])
}

const addInit: AddCommand = (program, context) => {
  const command = program
    .command('init')
    .summary('write a small pipeline that runs')
    .description(
      'Writes a small pipeline into a new folder, called like the folder: a CSV dataset, its contract and a model. It runs ' +
        'as it is.',
    )
    .argument('<dir>', 'a folder that is not there yet, or empty', pipelineFolder)
    .action(lazily(context, async () => (await import('../commands/init.ts')).init))
  withExamples(withJson(command), [['cinelake init pipelines/mine', 'begin a pipeline of your own']])
}

const addAdd: AddCommand = (program, context) => {
  const group = program
    .command('add')
    .summary('add a source to a pipeline')
    .description(
      'Asks what has to be known of a source and writes it into pipeline.yaml, whose comments and order stay. Every answer ' +
        'is also a flag: with all of them nothing is asked. A source that is there already gets one more dataset. In a ' +
        'folder without a pipeline one is begun.',
    )
  for (const kind of ADDED_KINDS) addKind(group, kind, context)
}

function addKind(group: Command, kind: SourceQuestions, context: CommandContext): void {
  const command = group
    .command(kind.type)
    .summary(`add ${kind.about}`)
    .description(`Adds ${kind.about} to a pipeline.`)
    .argument('[dir]', "the pipeline's folder", pipelineFolder, '.')
  // Questions of which one is asked at most may share a flag.
  const flags = new Set<string>()
  for (const { flag, value, ask, choices, default: usual } of kind.questions) {
    if (flags.has(flag)) continue
    flags.add(flag)
    const notes = [
      ...(choices === undefined ? [] : [choices.join(', ')]),
      ...(typeof usual === 'string' ? [`usually ${usual}`] : []),
    ]
    command.option(`--${flag} ${value}`, notes.length === 0 ? ask : `${ask} (${notes.join('; ')})`)
  }
  command.action(async (folder: string, options: Record<string, unknown>) => {
    const { addSource } = await import('../commands/add.ts')
    await addSource(kind, folder, options, context)
  })
  withExamples(withJson(command), [[`cinelake add ${kind.type} pipelines/mine`, 'ask for all of it']])
}

const addTry: AddCommand = (program, context) => {
  const command = program
    .command('try')
    .summary('look at the first rows of a dataset and draft its contract')
    .description(
      'Reads the first rows of a dataset: the newest file, the first pages of an API, the first rows of a table, or what was ' +
        'pushed last. Shows how they are written, the types of the columns, what seems to be the key and what seems to be ' +
        'personal data, and a draft of the contract. Nothing is landed. No value of the source is shown without --show-values.',
    )
    .argument('<source/dataset>', 'the dataset, as it stands in pipeline.yaml')
    .argument('[dir]', "the pipeline's folder", pipelineFolder, '.')
    .option('--rows <count>', `rows to look at (default: ${SAMPLE_ROWS}, of files ${FILE_ROWS})`, positiveInteger)
    .option('--window <window>', 'APIs: the window to ask for; the last complete one unless told otherwise')
    .option('--write', 'save the contract, and in pipeline.yaml how its columns are read')
    .option('--force', 'save it even if there is a contract already')
    .option('--show-values', 'show some values of each column, personal data included')
    .action(lazily(context, async () => (await import('../commands/try.ts')).tryDataset))
  withExamples(withJson(withState(command)), [
    ['cinelake try shop/orders pipelines/mine', 'what is there'],
    ['cinelake try shop/orders pipelines/mine --write', 'the contract as a file'],
  ])
}

const addValidate: AddCommand = (program, context) => {
  const command = program
    .command('validate')
    .summary('check a pipeline without changing any data')
    .description(
      'Checks the whole folder of a pipeline - pipeline.yaml, contracts, models - and tells every problem at once, ' +
        'with file, line and what would be right. Nothing is run. Settings and secrets that the text names and this ' +
        'machine does not have are warnings here; a run needs them.\n\n' +
        'Where there is a lake - of the state directory, or the one that CINELAKE_LAKE names - contracts and models are ' +
        'compared with the tables that are there, which are only read: each change with what it does to their rows. What ' +
        'would lose something is an error, since a run refuses it.',
    )
    .argument('<dir>', "the pipeline's folder", pipelineFolder)
    .option('--offline', 'check the text alone, and look at no lake')
    .action(lazily(context, async () => (await import('../commands/validate.ts')).validate))
  withExamples(withJson(withState(command)), [['cinelake validate pipelines/mine', 'check it']])
}

const addTest: AddCommand = (program, context) => {
  const command = program
    .command('test')
    .summary('test the models of a pipeline on given rows')
    .description(
      "Runs the tests in the pipeline's folder tests/*.yaml: each builds a model over given rows, as a run would, and " +
        'compares what comes out with the rows that are expected. Nothing outside the folder is read, nothing is kept.',
    )
    .argument('<dir>', "the pipeline's folder")
    .argument('[models...]', 'only the tests of these models')
    .action(lazily(context, async () => (await import('../commands/test.ts')).test))
  withExamples(withJson(command), [
    ['cinelake test pipelines/mine', 'all tests'],
    ['cinelake test pipelines/mine sales_by_day', 'those of one model'],
  ])
}

const addPlan: AddCommand = (program, context) => {
  const command = program
    .command('plan')
    .summary('show the tasks of a run, without running it')
    .description(
      'Shows what a run of the pipeline would do: its tasks in an order in which each comes after what it needs. ' +
        'Nothing is run. Tables that a database has and no dataset declares are found when the run discovers them.\n\n' +
        'Below them stands what the text changes about the tables that are there, where there is a lake to look into. ' +
        'With --changed, --select, --from-raw or --rebuild, which tasks of windows that were run would be done again, and why.',
    )
    .argument('<dir>', "the pipeline's folder", pipelineFolder)
    .option('--window <window>', 'the window; the last complete one unless told otherwise')
    .option('--from <window>', 'the first of several windows')
    .option('--to <window>', 'the last of them; the last complete one unless told otherwise')
    .option('--changed', 'what `run --changed` would do')
    .option('--select <name>', `what \`run --select\` would do: ${SELECTORS}`, listed)
    .option('--from-raw', 'what `run --from-raw` would do')
    .option('--rebuild <table>', 'what `rebuild` of this table would do', listed)
    .option('--offline', 'look at no lake')
    .option(
      '--against <commit>',
      'instead: what the text changes in columns and rows against that of a commit, as Markdown',
    )
    .option('--force', 'also a window that is not over, or before the first of the schedule')
    .action(lazily(context, async () => (await import('../commands/plan.ts')).plan))
  withExamples(withJson(withState(command)), [
    ['cinelake plan pipelines/mine --window 2026-03-01', 'the tasks of that day'],
    ['cinelake plan pipelines/mine --against main', 'what a branch changes'],
    ['cinelake plan pipelines/mine --window 2026-03-01 --changed', 'what a changed text would have redone'],
    ['cinelake plan pipelines/mine --rebuild orders', 'what making a table again would do'],
  ])
}

/** The commands about the text of pipelines, in the order of the help. */
export const PIPELINE_COMMANDS = [addDemo, addInit, addAdd, addTry, addValidate, addTest, addPlan]
