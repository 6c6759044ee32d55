/** The middle one of some measurements; of an even number the upper one of the two. */
export function medianOf(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

type Aim = { readonly atMost: number } | { readonly atLeast: number }

/** Prints a figure - a ratio, or with its unit - and whether it meets its aim. */
export function verdict(what: string, value: number, aim: Aim, unit = ''): void {
  const [holds, text] =
    'atMost' in aim ? [value <= aim.atMost, `≤ ${aim.atMost}`] : [value >= aim.atLeast, `≥ ${aim.atLeast}`]
  console.log(`  ${holds ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(2)}${unit} (aim ${text}${unit})`)
}
