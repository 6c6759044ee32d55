import type { Terminal } from './terminal.ts'

/** The last lines of the screen, redrawn repeatedly; printed text goes above them. */
export type Region = {
  readonly draw: (lines: readonly string[]) => void
  readonly print: (text: string) => void
}

/** Every line must fit the screen's width: the rest of a wrapped line would not be erased. */
export function createRegion({ note }: Pick<Terminal, 'note'>): Region {
  let shown: readonly string[] = []
  const erase = () => (shown.length === 0 ? '' : `\u001B[${shown.length}A\u001B[0J`)
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
  return {
    draw(lines) {
      const drawing = erase() + text(lines)
      shown = lines
      if (drawing !== '') note(drawing)
    },
    print(line) {
      note(`${erase()}${line}\n${text(shown)}`)
    },
  }
}
