import path from 'node:path'
import { ConfigError, makeDirectory } from '@cinelake/core'
import { type Answers, type Question, type SourceQuestions, withoutPassword } from '@cinelake/source-kind/questions'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { type Document, isMap } from 'yaml'
import { CALL, type CommandContext, shellArgument } from '../command.ts'
import { toJson } from '../output/format-value.ts'
import type { Ask } from '../output/terminal.ts'
import { type PlatformConfig, platformConfig } from '../settings.ts'
import { PIPELINE_FILE, openOrBegin, pipelineNameOf, problemsIn, documentText, withFiles } from '../try/folder-text.ts'
import { stubOf } from '../try/read-target.ts'
import { newErrors } from './try.ts'

export async function addSource(
  kind: SourceQuestions,
  folder: string,
  options: Record<string, unknown>,
  context: CommandContext,
): Promise<void> {
  const { terminal, settings, clock } = context
  const { paint, print } = terminal
  const { document, text, isNew } = await openOrBegin(folder, clock())
  const { answers, isThere } = await answersOf(kind, document, options, context)
  const { source = '', dataset = '' } = answers
  put(document, kind, answers, isThere)
  const start = isNew ? await kind.firstDay?.(answers, context) : undefined
  if (start !== undefined) document.setIn(['schedule', 'start'], start)
  const written = documentText(document, text)
  const isDrafted = existsSync(path.join(folder, contractOf(dataset)))
  const problems = await problemsOf(folder, { written, text, dataset, isDrafted }, platformConfig(settings))
  if (problems.length > 0)
    throw new ConfigError('the source does not fit into the pipeline; nothing was written', problems)
  const file = path.join(folder, PIPELINE_FILE)
  await makeDirectory(folder)
  await writeFile(file, written)
  if (options['json'] === true)
    return print(`${toJson({ file, source, dataset, pipelineBegun: isNew, contractMissing: !isDrafted })}\n`)
  const since = start === undefined ? '' : `, which starts with its oldest file, ${start}`
  const begun = isNew ? `, in a new pipeline ${pipelineNameOf(folder)}${since}: look at its name and schedule` : ''
  print(
    `${paint('green', '✓')} ${file}: ${source}/${dataset}${begun}\n\n${nextOf(kind, `${source}/${dataset}`, folder)}`,
  )
}

/** The flags and answers; for an existing source, only those for its next dataset. */
async function answersOf(
  kind: SourceQuestions,
  document: Document,
  options: Record<string, unknown>,
  { terminal }: CommandContext,
): Promise<{ readonly answers: Answers; readonly isThere: boolean }> {
  const flags = flagsOf(options, kind.questions)
  const asking = { ask: terminal.ask, note: terminal.note }
  // Without an interactive terminal, all missing answers are reported at once.
  const atFirst =
    flags['source'] === undefined && terminal.ask === undefined ? kind.questions : kind.questions.slice(0, 1)
  const first = await collectAnswers(atFirst, flags, asking)
  const there = sourceThere(document, kind, first['source'] ?? '')
  const isThere = there !== undefined
  if (isThere) requireSame({ kind, source: first['source'] ?? '', there }, flags)
  // Flags for an existing source may still need a warning.
  const others = kind.questions
    .slice(1)
    .filter(({ flag, ofSource }) => !(isThere && ofSource === true && flags[flag] === undefined))
  return { answers: { ...first, ...(await collectAnswers(others, flags, asking)) }, isThere }
}

type Change = {
  readonly written: string
  readonly text: string
  readonly dataset: string
  readonly isDrafted: boolean
}

/** Problems after the change that did not exist before. A contract that is still to be drafted is not a problem. */
async function problemsOf(
  folder: string,
  { written, text, dataset, isDrafted }: Change,
  config: PlatformConfig,
): Promise<string[]> {
  const stub = isDrafted ? {} : { [contractOf(dataset)]: stubOf(dataset) }
  const before = await problemsIn(withFiles(folder, { [PIPELINE_FILE]: text }), config)
  return newErrors(await problemsIn(withFiles(folder, { [PIPELINE_FILE]: written, ...stub }), config), before)
}

const contractOf = (dataset: string) => `contracts/${dataset}.yaml`

function flagsOf(options: Record<string, unknown>, questions: readonly Question[]): Answers {
  const named = (flag: string) => flag.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(
    questions.flatMap(({ flag }) => {
      const value = options[named(flag)]
      return typeof value === 'string' ? [[flag, value]] : []
    }),
  )
}

/**
 * A source's mapping in pipeline.yaml; undefined where the source does not exist.
 * @throws {ConfigError} terminal: it exists, with another type
 */
function sourceThere(
  document: Document,
  kind: SourceQuestions,
  source: string,
): Readonly<Record<string, unknown>> | undefined {
  const there = document.getIn(['sources', source])
  if (there === undefined || there === null) return undefined
  const type = isMap(there) ? there.get('type') : undefined
  if (isMap(there) && type === kind.type) return there.toJS(document) as Readonly<Record<string, unknown>>
  throw new ConfigError('the source is there already', [
    `${source}: expected one of type ${kind.type}, got ${String(type)}; give it another name`,
  ])
}

type SourceThere = {
  readonly kind: SourceQuestions
  readonly source: string
  readonly there: Readonly<Record<string, unknown>>
}

/** @throws {ConfigError} terminal: flags contradict the existing source */
function requireSame({ kind, source, there }: SourceThere, flags: Answers): void {
  const has = kind.answers(there)
  const problems = kind.questions.flatMap(({ flag, ofSource, isSame }) => {
    const said = flags[flag]
    if (ofSource !== true || said === undefined) return []
    const known = has[flag] ?? []
    if (known.some((each) => each === withoutPassword(said) || isSame?.(each, said) === true)) return []
    const found = known.length === 0 ? 'none' : known.join(', ')
    return [
      `--${flag} is ${withoutPassword(said)}: source ${source} in ${PIPELINE_FILE} has ${found}; leave --${flag} out to add to that source, or name another with --source`,
    ]
  })
  // Several questions may share a flag.
  if (problems.length > 0)
    throw new ConfigError('the source is there already, and not like this', [...new Set(problems)])
}

/** An empty mapping is written as `{}`; entries added to it would all be on one line. */
function onLinesOfTheirOwn(node: unknown): void {
  if (isMap(node) && node.items.length === 0) node.flow = false
}

/** @throws {ConfigError} terminal: the dataset exists already */
function put(document: Document, kind: SourceQuestions, answers: Answers, isThere: boolean): void {
  const { source = '', dataset = '' } = answers
  const text = kind.written(answers)
  const place = ['sources', source, 'datasets', dataset]
  if (document.hasIn(place)) {
    throw new ConfigError('the dataset is there already', [`${source}/${dataset}: expected a new name`])
  }
  if (!isMap(document.get('sources'))) document.set('sources', document.createNode({}))
  for (const mapping of [['sources'], ['sources', source, 'datasets']]) onLinesOfTheirOwn(document.getIn(mapping))
  if (!isThere)
    document.setIn(['sources', source], document.createNode({ ...text.source, datasets: { [dataset]: text.dataset } }))
  else document.setIn(place, document.createNode(text.dataset))
}

function nextOf(kind: SourceQuestions, name: string, folder: string): string {
  const target = `${shellArgument(name)} ${shellArgument(folder)}`
  if (kind.needsContract === true) {
    const contract = path.join(folder, contractOf(name.slice(name.indexOf('/') + 1)))
    return `Pushes are taken as soon as there is a contract: write ${contract} with the columns that you know.
When something was pushed, look at it and draft the whole contract:\n  ${CALL} try ${target}\n  ${CALL} try ${target} --write --force\n`
  }
  return `Look at its first rows and draft its contract:\n  ${CALL} try ${target}\n  ${CALL} try ${target} --write\n`
}

/**
 * Answers to all questions: from the flags, then from the user at the terminal, then the defaults.
 * @param ask undefined without an interactive terminal
 * @throws {ConfigError} terminal: missing or invalid answers, all of them
 */
async function collectAnswers(
  questions: readonly Question[],
  flags: Answers,
  { ask, note }: { readonly ask: Ask | undefined; readonly note: (text: string) => void },
): Promise<Answers> {
  const answers: Record<string, string | undefined> = {}
  const problems: string[] = []
  for (const question of questions) {
    if (question.when?.(answers) === false) continue
    const { flag } = question
    const said = flags[flag]
    const problem = said === undefined ? undefined : problemOf(question, said)
    if (problem !== undefined) problems.push(`--${flag} is ${said}: ${problem}`)
    const usual = usualOf(question, answers)
    answers[flag] = said ?? (ask === undefined ? usual : await answerOf(question, usual, { ask, note }))
    const warning = answers[flag] === undefined ? undefined : question.warn?.(answers[flag])
    if (warning !== undefined) note(`  ${warning}\n`)
    if (answers[flag] === undefined && question.optional !== true) problems.push(`--${flag}: ${question.ask}`)
  }
  if (problems.length > 0) throw new ConfigError('the source cannot be added without these answers', problems)
  return answers
}

async function answerOf(
  question: Question,
  usual: string | undefined,
  { ask, note }: { readonly ask: Ask; readonly note: (text: string) => void },
): Promise<string | undefined> {
  for (;;) {
    const answer = (await ask(question.ask, { choices: question.choices, initial: usual })).trim()
    if (answer === '' && (usual !== undefined || question.optional === true)) return usual
    const problem = answer === '' ? 'expected an answer' : problemOf(question, answer)
    if (problem === undefined) return answer
    note(`  ${problem}\n`)
  }
}

/** The default of an unanswered question. */
function usualOf({ default: usual }: Question, answers: Answers): string | undefined {
  return typeof usual === 'function' ? usual(answers) : usual
}

/** The problem with an answer; undefined for a valid one. */
function problemOf({ choices, form }: Question, answer: string): string | undefined {
  if (choices !== undefined && !choices.includes(answer)) return `expected one of ${choices.join(', ')}`
  return form === undefined || form[0].test(answer) ? undefined : `expected ${form[1]}`
}
