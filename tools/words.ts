import { parseSync, Visitor } from 'oxc-parser'

/** A word that comments, messages and pages do not use, and what to say. Source: docs/glossary.md, CONTRIBUTING.md. */
export type RefusedWord = { readonly word: string; readonly say: string }

/** A piece of text that people read, and the line that it begins in. */
type Prose = { readonly text: string; readonly line: number }

export type Finding = { readonly where: string; readonly message: string }

/**
 * Looks for refused words in what people read: comments and texts of source, and all of a page but its code.
 * @param path ends in `.ts` or `.md`
 */
export function findRefusedWords(path: string, text: string, refused: readonly RefusedWord[]): Finding[] {
  const prose = path.endsWith('.md') ? proseOfPage(text) : proseOfSource(path, text)
  const found = prose.flatMap((piece) =>
    refused.flatMap(({ word, say }) =>
      [...piece.text.matchAll(patternOf(word))].map(({ index }) => ({
        line: piece.line + countLines(piece.text.slice(0, index)),
        message: `\`${word}\` is refused: say ${say}`,
      })),
    ),
  )
  return found
    .toSorted((one, other) => one.line - other.line)
    .map(({ line, message }) => ({ where: `${path}:${line}`, message }))
}

/** A word as a whole, in any case; words are letters, hyphens and spaces. Its parts may stand on two lines of a comment. */
const patternOf = (word: string) =>
  new RegExp(`(?<![\\w-])${word.split(' ').join('(?:[ ]|\\s*\\n\\s*\\*?\\s*)')}(?![\\w-])`, 'gi')

const countLines = (text: string) => text.split('\n').length - 1

function proseOfSource(path: string, text: string): Prose[] {
  const { program, comments } = parseSync(path, text)
  const found = comments.map(({ start, value }) => ({ text: value, line: 1 + countLines(text.slice(0, start)) }))
  const add = (start: number, value: string) => {
    // Names, codes and paths have no space in them.
    if (value.includes(' ')) found.push({ text: value, line: 1 + countLines(text.slice(0, start)) })
  }
  new Visitor({
    Literal: ({ value, start }) => {
      if (typeof value === 'string') add(start, value)
    },
    TemplateElement: ({ value, start }) => add(start, value.cooked ?? value.raw),
  }).visit(program)
  return found
}

/** Code has words of other programs. */
function proseOfPage(text: string): Prose[] {
  const blank = (code: string) => code.replaceAll(/[^\n]/g, ' ')
  return [{ text: text.replaceAll(/^```[\s\S]*?^```/gm, blank).replaceAll(/`[^`\n]*`/g, blank), line: 1 }]
}
