import type { SourcePlace } from '@cinelake/source-kind'
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
}
