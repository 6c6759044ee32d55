import { crc32, deflateRawSync } from 'node:zlib'

/** An archive of deflated members. Source: APPNOTE.TXT 4.3 */
export function zipOf(members: Readonly<Record<string, string | Buffer>>, damage?: (content: Buffer) => void): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, text] of Object.entries(members)) {
    const content = deflateRawSync(text)
    const sizes = Buffer.alloc(12)
    sizes.writeUInt32LE(crc32(text), 0)
    sizes.writeUInt32LE(content.length, 4)
    sizes.writeUInt32LE(Buffer.byteLength(text), 8)
    damage?.(sizes)
    // Version 2.0, names in UTF-8, deflate, 1980-01-01.
    const common = Buffer.from([20, 0, 0, 8, 8, 0, 0, 0, 0x21, 0])
    const nameBytes = Buffer.from(name)
    const lengths = Buffer.from([nameBytes.length, 0, 0, 0])
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, sizes, lengths, nameBytes, content])
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, sizes, lengths, place, nameBytes]))
    locals.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(directory.length, 4)
  end.writeUInt16LE(directory.length, 6)
  end.writeUInt32LE(central.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...locals, central, Buffer.from('PK\x05\x06'), end])
}
