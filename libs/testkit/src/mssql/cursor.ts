/** Reads one message from its beginning to its end. */
export class Cursor {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  bytes(count: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + count)
    if (taken.length < count) throw new RangeError(`the message ends ${count - taken.length} bytes too soon`)
    this.#at += count
    return taken
  }

  u8 = () => this.bytes(1).readUInt8()
  u16 = () => this.bytes(2).readUInt16LE()
  u32 = () => this.bytes(4).readUInt32LE()
  i32 = () => this.bytes(4).readInt32LE()
  u64 = () => this.bytes(8).readBigUInt64LE()
  /** A whole number of any size. */
  unsigned = (count: number) => BigInt(`0x0${Buffer.from(this.bytes(count)).reverse().toString('hex')}`)
  utf16 = (units: number) => this.bytes(units * 2).toString('utf16le')
  /** A text of at most 255 units, which stand before it. */
  shortText = () => this.utf16(this.u8())

  skip(count: number): void {
    this.bytes(count)
  }
}
