import type { Answers, Question, SourcePlace } from '@cinelake/source-kind'
import type { z } from 'zod'

/** One way in which a REST source is told who asks. */
export interface RestAuthKind<
  Text extends { readonly type: string },
  Checked extends Text | { readonly type: string },
> {
  /** As it stands in `pipeline.yaml`; what is secret is marked, and reported where it stands in the text. */
  readonly text: z.ZodType<Text>
  /** As it is frozen. */
  readonly checked: z.ZodType<Checked>
  /** Checks a text whose shape is right, and puts in defaults. */
  read(auth: Text, place: SourcePlace): Checked
  /** What `cinelake add` asks of it; one that is not there is not offered. */
  readonly asks?: RestAuthQuestions
}

export type RestAuthQuestions = {
  readonly questions: readonly Question[]
  /** What the answers mean in the text, besides `type`. */
  written(answers: Answers): Readonly<Record<string, unknown>>
  /** What a text that is there says to the questions, by flag. */
  answers(auth: Readonly<Record<string, unknown>>): Readonly<Record<string, readonly string[]>>
}

export const secretQuestion: Question = {
  flag: 'secret',
  value: '<name>',
  ask: 'Under which name is the token, password or key kept with the secrets?',
  ofSource: true,
}
