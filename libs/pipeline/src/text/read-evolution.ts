import type { Problems, YamlPath, YamlText } from '@cinelake/config-text'

type CustomProperty = { readonly property: string; readonly value: unknown }
type At = { readonly text: YamlText; readonly path: YamlPath; readonly problems: Problems }

/** Names of columns in a custom property of the standard, with or without the prefix `cinelake.`. */
function namesOf(
  property: string,
  customProperties: readonly CustomProperty[],
  { text, path, problems }: At,
): { readonly names: readonly string[]; readonly path: YamlPath } {
  const index = customProperties.findIndex((custom) => custom.property.replace(/^cinelake\./, '') === property)
  const here = [...path, 'customProperties', index, 'value']
  if (index < 0) return { names: [], path: here }
  const value = customProperties[index]?.value
  const names: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = names.filter((name) => typeof name === 'string' && name !== '')
  if (texts.length === names.length && names.length > 0) return { names: texts.map(String), path: here }
  problems.error(text.at(here), `\`${property}\` is wrong`, 'expected the name of a column, or a list of names')
  return { names: [], path: here }
}

/** The former names of a column, the latest first. `customProperties: [{ property: renamedFrom, value: state }]` */
export function readRenamedFrom(
  column: string,
  customProperties: readonly CustomProperty[],
  at: At,
): readonly string[] {
  const { names, path } = namesOf('renamedFrom', customProperties, at)
  if (!names.includes(column)) return names
  at.problems.error(at.text.at(path), `column \`${column}\` is renamed from itself`, 'name what it was called before')
  return []
}

/** The columns that a table had and is to lose with their values. `customProperties: [{ property: dropped, value: [state] }]` */
export function readDropped(customProperties: readonly CustomProperty[], at: At): readonly string[] {
  return namesOf('dropped', customProperties, at).names
}

type Evolving = {
  readonly columns: readonly string[]
  readonly renamedFrom: Readonly<Record<string, readonly string[]>>
  readonly dropped: readonly string[]
  /** The place of a name: of a renamed column, or in the list of dropped ones. */
  readonly placeOf: (column: string | undefined) => ReturnType<YamlText['at']>
  readonly problems: Problems
}

/** A name is a column, a former name of one column, or dropped: never two of these. Compared without case, as in SQL. */
export function checkEvolution({ columns, renamedFrom, dropped, placeOf, problems }: Evolving): void {
  const known = new Set(columns.map((name) => name.toLowerCase()))
  const formers = new Map<string, string>()
  for (const [column, names] of Object.entries(renamedFrom)) {
    for (const name of names) {
      const folded = name.toLowerCase()
      const other = formers.get(folded)
      if (known.has(folded) && folded !== column.toLowerCase())
        problems.error(
          placeOf(column),
          `column \`${column}\` is renamed from \`${name}\`, which is a column of the table`,
          'take one of the two out',
        )
      if (other !== undefined && other !== column)
        problems.error(
          placeOf(column),
          `\`${other}\` and \`${column}\` are both renamed from \`${name}\``,
          'one column can continue under one name: take it out at the other',
        )
      formers.set(folded, column)
    }
  }
  for (const name of dropped) {
    const folded = name.toLowerCase()
    const renamed = formers.get(folded)
    if (known.has(folded))
      problems.error(
        placeOf(undefined),
        `\`dropped\` names \`${name}\`, which is a column of the table`,
        'take it out of one of the two',
      )
    else if (renamed !== undefined)
      problems.error(
        placeOf(undefined),
        `\`dropped\` names \`${name}\`, from which \`${renamed}\` is renamed`,
        'take it out of one of the two',
      )
  }
}
