/** One thing that has to be known of a source, to write it into `pipeline.yaml`. */
export type Question = {
  /** The flag that answers it: `base-url`. */
  readonly flag: string
  readonly value: string
  readonly ask: string
  /** Taken where nothing is answered. Without one it has to be. */
  readonly default?: string | ((answers: Answers) => string)
  /** May stay without an answer. */
  readonly optional?: true
  readonly choices?: readonly string[]
  /** The form of an answer, with what is expected. */
  readonly form?: readonly [pattern: RegExp, expected: string]
  /** What to mind about an answer that may be right all the same; undefined for nothing. */
  readonly warn?: (answer: string) => string | undefined
  /** Of the source; not asked when a dataset is added to one that is there. */
  readonly ofSource?: true
  /** Whether it is asked at all, given the answers so far. */
  readonly when?: (answers: Answers) => boolean
  /** Whether two answers mean the same where they are written differently. */
  readonly isSame?: (one: string, other: string) => boolean
}

/** By flag. */
export type Answers = Readonly<Record<string, string | undefined>>

/** A source and its dataset as they stand in `pipeline.yaml`. */
export type WrittenSource = {
  readonly source: Readonly<Record<string, unknown>>
  readonly dataset: Readonly<Record<string, unknown>>
}

/** What `cinelake add` has to know of a kind of source. Loads as little as may be: it is loaded for every command's help. */
export interface SourceQuestions {
  /** `type` in `pipeline.yaml`. */
  readonly type: string
  /** A source of it, for help: `a REST API`. */
  readonly about: string
  /** The first is for the source's name. */
  readonly questions: readonly Question[]
  /** What the answers mean in `pipeline.yaml`. */
  written(answers: Answers): WrittenSource
  /** What a source that is there says to the questions about it, by flag: any of these answers fits. */
  answers(source: Readonly<Record<string, unknown>>): Readonly<Record<string, readonly string[]>>
  /** The day of the oldest data, where that can be told: the schedule of a new pipeline begins with it (`2026-03-01`). */
  firstDay?(answers: Answers, options: { readonly signal: AbortSignal }): Promise<string | undefined>
  /** Whether a dataset gets nothing before it has a contract. */
  readonly needsContract?: true
}

/** A source's name, as pipelines may have it. */
export const sourceQuestion: Question = {
  flag: 'source',
  value: '<name>',
  ask: 'What is the source called?',
  form: [/^[A-Za-z][A-Za-z0-9_-]*$/, 'letters, digits, `_` and `-`, beginning with a letter'],
}

export const datasetQuestion: Question = {
  flag: 'dataset',
  value: '<name>',
  ask: 'What is the dataset called? It is the name of the table',
  form: [/^[A-Za-z][A-Za-z0-9_]*$/, 'letters, digits and `_`, beginning with a letter'],
}

export const siteQuestion: Question = {
  flag: 'site',
  value: '<name>',
  ask: 'At which site does it stand? Nothing for the agent without a site',
  optional: true,
  ofSource: true,
}

export const modeQuestion = (usual: string | ((answers: Answers) => string)): Question => ({
  flag: 'mode',
  value: '<mode>',
  ask: "What are a window's rows? snapshot: the whole table; merge: new and changed rows; append: new rows",
  default: usual,
  choices: ['snapshot', 'merge', 'append'],
})

/** The answers that were given, by keys of the text that are called as their flags are. */
export function given(answers: Answers, ...flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    flags.flatMap((flag) => {
      const answer = answers[flag]
      return answer === undefined ? [] : [[flag, answer]]
    }),
  )
}

/** The mode of a dataset, where it is not the one that goes without saying. */
export function givenMode(answers: Answers): Record<string, string> {
  return answers['mode'] === 'snapshot' ? {} : given(answers, 'mode')
}

/** The placeholder of the secret that was answered. */
export const secretOf = ({ secret = '' }: Answers) => `\${secret:${secret}}`

/** A value that is a text; none for anything else. */
export function textsOf(value: unknown): string[] {
  return typeof value === 'string' ? [value] : []
}

/** Names of the secrets that values name. */
export function secretsIn(...values: readonly unknown[]): string[] {
  return values
    .flatMap(textsOf)
    .flatMap((text) => Array.from(text.matchAll(/\$\{secret:([^}]+)\}/g), ([, name = '']) => name))
}

/** An address is told without what may be a password. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]+):[^/]*@/i, '$1@')
}
