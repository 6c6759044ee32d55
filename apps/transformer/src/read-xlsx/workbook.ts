import { posix } from 'node:path'
import { builtInForm, type DateSystem, formOfFormat, type TimeForm } from './cell-date.ts'
import type { OfficePackage } from './office-package.ts'
import { localName, readPart } from './part-events.ts'

/** A worksheet. */
export type Sheet = {
  readonly name: string
  readonly part: string
  readonly isHidden: boolean
}

/** What a workbook says of its sheets and cells. */
export type Workbook = {
  /** Worksheets in the order of their tabs, hidden ones too; no charts. */
  readonly sheets: readonly Sheet[]
  readonly dateSystem: DateSystem
  /** What cells of a style show, by its number; undefined for no time. */
  readonly forms: readonly (TimeForm | undefined)[]
  /** The part with the texts that cells share. */
  readonly textsPart: string | undefined
}

type Attributes = Readonly<Record<string, string>>

/** @throws {PackedFileError} terminal: it lacks a part, or one is damaged */
export async function readWorkbook(file: string, parts: OfficePackage, signal: AbortSignal): Promise<Workbook> {
  const each = async (part: string, visit: (name: string, attributes: Attributes, isEnd: boolean) => void) => {
    const open: string[] = []
    const events = {
      open(name: string, attributes: Attributes) {
        open.push(localName(name))
        visit(localName(name), attributes, false)
      },
      text: () => undefined,
      close: () => visit(open.pop() ?? '', {}, true),
    }
    for await (const _ of readPart({ file, package: parts, part }, events, signal));
  }
  const relationsOf = async (part: string) => {
    const found = new Map<string, Relation>()
    const relations = posix.join(posix.dirname(part), '_rels', `${posix.basename(part)}.rels`)
    if (!parts.has(relations)) return found
    await each(relations, (name, { Id = '', Type = '', Target = '', TargetMode }) => {
      if (name !== 'Relationship' || TargetMode === 'External') return
      const target = Target.replaceAll('\\', '/')
      const path = target.startsWith('/') ? target.slice(1) : posix.join(posix.dirname(part), target)
      found.set(Id, { type: Type.slice(Type.lastIndexOf('/') + 1), part: path })
    })
    return found
  }
  const partOf = (relations: ReadonlyMap<string, Relation>, type: string) =>
    relations.values().find((relation) => relation.type === type)?.part

  const main = partOf(await relationsOf(''), 'officeDocument') ?? 'xl/workbook.xml'
  const relations = await relationsOf(main)
  const sheets: Sheet[] = []
  let dateSystem: DateSystem = 1900
  await each(main, (name, attributes, isEnd) => {
    if (isEnd) return
    if (name === 'workbookPr' && isTrue(attributes['date1904'])) dateSystem = 1904
    if (name !== 'sheet') return
    const id = Object.entries(attributes).find(([key]) => key.includes(':') && localName(key) === 'id')?.[1] ?? ''
    const { type, part } = relations.get(id) ?? {}
    if (type !== 'worksheet' || part === undefined) return
    const isHidden = attributes['state'] === 'hidden' || attributes['state'] === 'veryHidden'
    sheets.push({ name: attributes['name'] ?? '', part, isHidden })
  })
  const styles = partOf(relations, 'styles')
  const textsPart = partOf(relations, 'sharedStrings')
  const forms: (TimeForm | undefined)[] = []
  if (styles !== undefined && parts.has(styles)) {
    const codes = new Map<number, string>()
    let isInCells = false
    await each(styles, (name, attributes, isEnd) => {
      if (name === 'cellXfs') isInCells = !isEnd
      if (isEnd) return
      if (name === 'numFmt') codes.set(Number(attributes['numFmtId']), attributes['formatCode'] ?? '')
      if (name !== 'xf' || !isInCells) return
      const id = Number(attributes['numFmtId'] ?? 0)
      const code = codes.get(id)
      forms.push(code === undefined ? builtInForm(id) : formOfFormat(code))
    })
  }
  return { sheets, dateSystem, forms, textsPart: textsPart && parts.has(textsPart) ? textsPart : undefined }
}

type Relation = { readonly type: string; readonly part: string }

function isTrue(text: string | undefined): boolean {
  return text === '1' || text === 'true' || text === 'on'
}
