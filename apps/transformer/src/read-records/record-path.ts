/**
 * The names in a path to the records of a document: `$.data['my items']`, `data.items`. Which forms are allowed is checked
 * with the pipeline.
 */
export function recordPath(text = '$'): readonly string[] {
  return [...text.replace(/^\$/, '').matchAll(/\['([^']*)'\]|\["([^"]*)"\]|\.?([^.[\]]+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain ?? '',
  )
}
