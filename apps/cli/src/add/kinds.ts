import { databaseQuestions } from '@cinelake/source-database/questions'
import { filesQuestions } from '@cinelake/source-files/questions'
import type { SourceQuestions } from '@cinelake/source-kind/questions'
import { pushQuestions } from '@cinelake/source-push/questions'
import { restQuestions } from '@cinelake/source-rest/questions'

/** The kinds of sources that can be added, in the order in which help names them. */
export const ADDED_KINDS: readonly SourceQuestions[] = [restQuestions, filesQuestions, databaseQuestions, pushQuestions]
