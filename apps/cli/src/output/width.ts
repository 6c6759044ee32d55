import { stripVTControlCharacters } from 'node:util'

const SEGMENTS = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** East Asian wide characters and pictures take two columns. Source: Unicode's East Asian Width, classes W and F. */
const WIDE =
  /^(?:[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\u9FFF\uA000-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation})/u

/** The width of a text in columns of a terminal. Styles have no width. */
export function widthOf(text: string): number {
  const bare = stripVTControlCharacters(text)
  if (/^[\u0020-\u007E]*$/.test(bare)) return bare.length
  let width = 0
  for (const { segment } of SEGMENTS.segment(bare)) width += WIDE.test(segment) ? 2 : 1
  return width
}

/** The text filled with spaces up to a width. */
export function padded(text: string, width: number, side: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return side === 'left' ? text + space : space + text
}

/** The text, or its beginning and `…` where it is too wide. For texts without styles. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  for (const { segment } of SEGMENTS.segment(text)) {
    if (widthOf(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** The text in lines of a width, broken between words where possible, otherwise within them. */
export function wrapped(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (widthOf(longer) <= width) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    line = ''
    for (const { segment } of SEGMENTS.segment(word)) {
      if (widthOf(line + segment) > width) {
        lines.push(line)
        line = ''
      }
      line += segment
    }
  }
  return [...lines, line]
}
