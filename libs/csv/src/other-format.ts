/** Signatures of other file formats: bytes at an offset. Sources: the formats' own specifications, and file(1)'s table. */
const SIGNATURES: readonly (readonly [format: string, bytes: string, offset?: number])[] = [
  ['a Parquet file', 'PAR1'],
  ['a Parquet file with an encrypted footer', 'PARE'],
  ['an ORC file', 'ORC'],
  ['an Avro file', 'Obj\x01'],
  ['an Arrow file', 'ARROW1'],
  ['a gzip file', '\x1f\x8b\x08'],
  ['a Zstandard file', '\x28\xb5\x2f\xfd'],
  ['a bzip2 file', 'BZh'],
  ['an xz file', '\xfd7zXZ\x00'],
  ['a 7-Zip archive', "7z\xbc\xaf'\x1c"],
  ['a RAR archive', 'Rar!\x1a\x07'],
  ['a tar archive', 'ustar', 257],
  ['an SQLite database', 'SQLite format 3\x00'],
  ['a PDF', '%PDF-'],
  ['an RTF document', '{\\rtf'],
  ['a PNG image', '\x89PNG\r\n\x1a\n'],
  ['a JPEG image', '\xff\xd8\xff'],
  ['a GIF image', 'GIF8'],
  ['a TIFF image', 'II*\x00'],
  ['a TIFF image', 'MM\x00*'],
  ['a WebP image', 'WEBP', 8],
  ['a sound file (WAV)', 'WAVEfmt', 8],
  ['a sound file (MP3)', 'ID3\x03'],
  ['a video (MP4)', 'ftyp', 4],
  ['a video (Matroska or WebM)', '\x1aE\xdf\xa3'],
  ['a PostScript file', '%!PS'],
  ['an Access database', 'Standard Jet DB', 4],
  ['an Access database', 'Standard ACE DB', 4],
  ['a DuckDB database', 'DUCK', 8],
  ['an HDF5 file', '\x89HDF\r\n\x1a\n'],
  ['a NumPy array', '\x93NUMPY'],
  ['a Stata file', '<stata_dta>'],
  ['an SPSS file', '$FL2@(#)'],
  ['an LZ4 file', '\x04"M\x18'],
  ['a Windows program', 'MZ\x90\x00'],
  ['a Linux program', '\x7fELF'],
]

/** Bytes at the beginning of a file that are enough to detect its format. */
const LOOKED_AT = 4096

/**
 * The format of a file that is not text, detected by its signature: "a Parquet file".
 * @returns undefined for a file that may be CSV
 */
export function binaryFormatOf(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, LOOKED_AT))
  if (start.indexOf('PK\x03\x04', 0, 'latin1') === 0) return zipFormatOf(start.toString('latin1'))
  if (start.indexOf('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 0, 'latin1') === 0) return compoundFormatOf(bytes)
  const found = SIGNATURES.find(([, signature, offset = 0]) => {
    const there = start.toString('latin1', offset, offset + signature.length) === signature
    // A signature of letters alone may also be a column name; in a binary file, some byte near it cannot occur in text.
    return there && (!/^\w+$/.test(signature) || start.some(isControl))
  })
  return found?.[0]
}

/** Control characters that do not occur in text; tab, line ends, form feed and escape may. */
const isControl = (byte: number) => byte < 0x09 || (byte > 0x0d && byte < 0x1b)

/** Streams of a compound file by which its program is known. Sources: MS-XLS, MS-DOC, MS-PPT, MS-OFFCRYPTO */
const STREAMS = [
  ['EncryptedPackage', 'an Office file with a password'],
  ['Workbook', 'an Excel file of the old kind (XLS)'],
  ['WordDocument', 'a Word document of the old kind (DOC)'],
  ['PowerPoint Document', 'a PowerPoint file of the old kind (PPT)'],
] as const

/** The format of a compound file: the names of its streams are in UTF-16. */
function compoundFormatOf(bytes: Uint8Array): string {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return (
    STREAMS.find(([stream]) => all.includes(Buffer.from(stream, 'utf16le')))?.[1] ??
    'an Excel or other Office file of before 2007'
  )
}

/** How a workbook that is read is named. */
export const WORKBOOK = 'an Excel workbook (XLSX)'

function zipFormatOf(start: string): string {
  if (start.includes('xl/')) return WORKBOOK
  if (start.includes('opendocument.spreadsheet')) return 'an OpenDocument spreadsheet'
  return start.includes('[Content_Types].xml') ? 'an Office document (such as XLSX)' : 'a zip archive'
}

/**
 * The format of a document that is stored as a zip archive, detected by the entry names: "an Excel workbook (XLSX)".
 * The entries of such a document are not files to be unpacked.
 * @returns undefined for an archive of files
 */
export function packageFormatOf(names: Iterable<string>): string | undefined {
  const all = new Set(names)
  if (all.has('[Content_Types].xml')) {
    if (all.has('xl/workbook.bin')) return 'an Excel workbook in binary form (XLSB)'
    const isWorkbook = [...all].some((name) => name.startsWith('xl/'))
    if (isWorkbook) return WORKBOOK
    if (all.has('word/document.xml')) return 'a Word document'
    return all.has('ppt/presentation.xml') ? 'a PowerPoint presentation' : 'an Office document that is no workbook'
  }
  return all.has('mimetype') && all.has('content.xml') ? 'an OpenDocument file (such as ODS)' : undefined
}

/** So many kinds of control characters, in so large a share of the beginning, occur only in binary files. */
const NO_TEXT = { kinds: 4, share: 0.02 }
/** Share of NUL from which a file was written by a program that failed, or is not text. */
const NUL_SHARE = 0.5

/** A single control character in a text is a fault of a row, or a delimiter. */
function isNoText(start: Buffer): boolean {
  const found = start.filter(isControl)
  const nulCount = found.filter((byte) => byte === 0).length
  if (nulCount > start.length * NUL_SHARE) return true
  return new Set(found).size > NO_TEXT.kinds && found.length > start.length * NO_TEXT.share
}

/**
 * The format of a text that is not CSV, detected by its beginning: JSON, XML or HTML, or no text at all. Only meaningful if the
 * first line is not an expected header, since CSV may begin with anything.
 * @param bytes in UTF-8, without byte order mark
 * @returns undefined for a text that may be CSV
 */
export function textFormatOf(bytes: Uint8Array): string | undefined {
  const bytesOfStart = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, LOOKED_AT))
  if (isNoText(bytesOfStart)) return 'no text'
  const start = bytesOfStart.toString('utf8').trimStart()
  if (/^(?:\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*(?:[[{]|"|-?\d|\]))/.test(start))
    return /^\{[^\n]*\}\s*\n\s*\{/.test(start) ? 'JSON, an object a line' : 'JSON'
  if (/^<(?:!doctype html|html)[\s>]/i.test(start)) return 'an HTML page'
  return /^<(?:\?xml\s|!--|[a-z_][\w.:-]*(?:\s|\/>|>(?!\s*[,;|])))/i.test(start) ? 'XML' : undefined
}
