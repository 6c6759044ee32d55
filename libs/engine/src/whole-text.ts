/**
 * An expression for a text that reaches JavaScript as it is: the client takes a byte order mark at the beginning of a
 * text for the mark of its encoding, and drops it. Then there are two.
 * @param text SQL for a VARCHAR
 */
export function wholeText(text: string): string {
  return `CASE WHEN starts_with(${text}, chr(65279)) THEN chr(65279) || ${text} ELSE ${text} END`
}
