/**
 * A column of each type of SQL Server with edge values, and what becomes of them. A value that does not fit is read as NULL,
 * with its text beside it.
 */
export type TypeCase = {
  /** As in a `CREATE TABLE`. */
  readonly declared: string
  /** As the catalog has it: name, bytes, precision, scale. */
  readonly catalog: readonly [name: string, maxLength: number, precision: number, scale: number]
  /** T-SQL for each value, what the server makes of it for us, and what the engine reads from the file. */
  readonly values: readonly (readonly [sql: string, sent: string | null, read: unknown, unfit?: string])[]
  readonly type: string
}

const TS = 'TIMESTAMP WITH TIME ZONE'
const NINES = '9'.repeat(38)

export const TYPE_CASES: readonly TypeCase[] = [
  {
    declared: 'bit',
    catalog: ['bit', 1, 1, 0],
    type: 'BOOLEAN',
    values: [
      ['1', '1', true],
      ['0', '0', false],
      ['NULL', null, null],
    ],
  },
  {
    declared: 'tinyint',
    catalog: ['tinyint', 1, 3, 0],
    type: 'INTEGER',
    values: [
      ['255', '255', 255],
      ['0', '0', 0],
    ],
  },
  { declared: 'smallint', catalog: ['smallint', 2, 5, 0], type: 'INTEGER', values: [['-32768', '-32768', -32_768]] },
  {
    declared: 'int',
    catalog: ['int', 4, 10, 0],
    type: 'INTEGER',
    values: [['-2147483648', '-2147483648', -2_147_483_648]],
  },
  {
    declared: 'bigint',
    catalog: ['bigint', 8, 19, 0],
    type: 'BIGINT',
    values: [
      ['9223372036854775807', '9223372036854775807', 9_223_372_036_854_775_807n],
      ['9007199254740993', '9007199254740993', 9_007_199_254_740_993n],
    ],
  },
  {
    declared: 'decimal(38,0)',
    catalog: ['decimal', 17, 38, 0],
    type: 'DECIMAL(38,0)',
    values: [
      [NINES, NINES, NINES],
      [`-${NINES}`, `-${NINES}`, `-${NINES}`],
    ],
  },
  {
    declared: 'decimal(38,38)',
    catalog: ['decimal', 17, 38, 38],
    type: 'DECIMAL(38,38)',
    values: [[`0.${'0'.repeat(37)}1`, `0.${'0'.repeat(37)}1`, `0.${'0'.repeat(37)}1`]],
  },
  { declared: 'numeric(4,0)', catalog: ['numeric', 5, 4, 0], type: 'DECIMAL(4,0)', values: [['2013', '2013', '2013']] },
  {
    declared: 'money',
    catalog: ['money', 8, 19, 4],
    type: 'DECIMAL(19,4)',
    values: [
      ['922337203685477.5807', '922337203685477.5807', '922337203685477.5807'],
      ['-12.3456', '-12.3456', '-12.3456'],
    ],
  },
  {
    declared: 'smallmoney',
    catalog: ['smallmoney', 4, 10, 4],
    type: 'DECIMAL(10,4)',
    values: [['-214748.3648', '-214748.3648', '-214748.3648']],
  },
  {
    declared: 'float',
    catalog: ['float', 8, 53, 0],
    type: 'DOUBLE',
    values: [
      ['1.7976931348623157E308', '1.7976931348623157e+308', Number.MAX_VALUE],
      ['2.2250738585072014E-308', '2.2250738585072014e-308', 2.2250738585072014e-308],
      ['-0e0', '-0.0000000000000000e+000', -0],
      ['0.1', '1.0000000000000001e-001', 0.1],
    ],
  },
  {
    declared: 'real',
    catalog: ['real', 4, 24, 0],
    type: 'DOUBLE',
    values: [
      ['0.1', '1.0000000149011612e-001', 0.1],
      ['3.4028235E38', '3.4028234663852886e+038', 3.4028235e38],
    ],
  },
  {
    declared: 'date',
    catalog: ['date', 3, 10, 0],
    type: 'DATE',
    values: [
      ["'0001-01-01'", '0001-01-01', '0001-01-01'],
      ["'9999-12-31'", '9999-12-31', '9999-12-31'],
    ],
  },
  {
    declared: 'smalldatetime',
    catalog: ['smalldatetime', 4, 16, 0],
    type: TS,
    values: [["'2079-06-06 23:59'", '2079-06-06 23:59:00', '2079-06-06T23:59:00.000000Z']],
  },
  {
    declared: 'datetime',
    catalog: ['datetime', 8, 23, 3],
    type: TS,
    values: [
      ["'1753-01-01'", '1753-01-01 00:00:00.000', '1753-01-01T00:00:00.000000Z'],
      ["'9999-12-31 23:59:59.997'", '9999-12-31 23:59:59.997', '9999-12-31T23:59:59.997000Z'],
    ],
  },
  {
    declared: 'datetime2(7)',
    catalog: ['datetime2', 8, 27, 7],
    type: TS,
    values: [
      ["'0001-01-01'", '0001-01-01 00:00:00.0000000', '0001-01-01T00:00:00.000000Z'],
      ["'9999-12-31 23:59:59.9999990'", '9999-12-31 23:59:59.9999990', '9999-12-31T23:59:59.999999Z'],
      ["'9999-12-31 23:59:59.9999999'", '9999-12-31 23:59:59.9999999', null, '9999-12-31 23:59:59.9999999'],
    ],
  },
  {
    declared: 'datetime2(0)',
    catalog: ['datetime2', 6, 19, 0],
    type: TS,
    values: [["'2026-03-01 10:00:00'", '2026-03-01 10:00:00', '2026-03-01T10:00:00.000000Z']],
  },
  {
    declared: 'datetimeoffset(7)',
    catalog: ['datetimeoffset', 10, 34, 7],
    type: TS,
    values: [
      ["'2026-03-01 10:00:00.1234560 -05:30'", '2026-03-01 10:00:00.1234560 -05:30', '2026-03-01T15:30:00.123456Z'],
      ["'9999-12-31 23:59:59.9999990 +14:00'", '9999-12-31 23:59:59.9999990 +14:00', '9999-12-31T09:59:59.999999Z'],
      ["'0001-01-01 00:00:00 -14:00'", '0001-01-01 00:00:00.0000000 -14:00', '0001-01-01T14:00:00.000000Z'],
      [
        "'9999-12-31 23:59:59.9999999 +14:00'",
        '9999-12-31 23:59:59.9999999 +14:00',
        null,
        '9999-12-31 23:59:59.9999999 +14:00',
      ],
    ],
  },
  {
    declared: 'time(7)',
    catalog: ['time', 5, 16, 7],
    type: 'TIME',
    values: [
      ["'23:59:59.9999990'", '23:59:59.9999990', '23:59:59.999999'],
      ["'23:59:59.9999999'", '23:59:59.9999999', null, '23:59:59.9999999'],
      ["'00:00'", '00:00:00.0000000', '00:00:00'],
    ],
  },
  { declared: 'char(5)', catalog: ['char', 5, 0, 0], type: 'VARCHAR', values: [["'ab'", 'ab', 'ab']] },
  {
    declared: 'varchar(max)',
    catalog: ['varchar', -1, 0, 0],
    type: 'VARCHAR',
    values: [
      ["''", '', ''],
      ['NULL', null, null],
    ],
  },
  { declared: 'varchar(10)', catalog: ['varchar', 10, 0, 0], type: 'VARCHAR', values: [["'ab '", 'ab ', 'ab ']] },
  {
    // Of code page 1252, whatever the database's is.
    declared: 'varchar(12) COLLATE Latin1_General_CI_AS',
    catalog: ['varchar', 12, 0, 0],
    type: 'VARCHAR',
    values: [
      ["N'€ŸÀ'", '€ŸÀ', '€ŸÀ'],
      ['CONVERT(varchar(12), 0x8100)', '\u0081\0', '\u0081\0'],
    ],
  },
  {
    declared: 'varchar(12) COLLATE Latin1_General_100_CI_AS_SC_UTF8',
    catalog: ['varchar', 12, 0, 0],
    type: 'VARCHAR',
    values: [["N'😀Ω€é'", '😀Ω€é', '😀Ω€é']],
  },
  { declared: 'nchar(3)', catalog: ['nchar', 6, 0, 0], type: 'VARCHAR', values: [["N'é'", 'é', 'é']] },
  {
    declared: 'nvarchar(max)',
    catalog: ['nvarchar', -1, 0, 0],
    type: 'VARCHAR',
    values: [
      ["N'ä \"q\",' + NCHAR(10) + N'x'", 'ä "q",\nx', 'ä "q",\nx'],
      ['NCHAR(0xD83D) + NCHAR(0xDE00)', '😀', '😀'],
      ["N'a' + NCHAR(0xD800) + N'b'", 'a\uD800b', null, String.raw`a\uD800b`],
      ["N'a' + NCHAR(0xDC00)", 'a\uDC00', null, String.raw`a\uDC00`],
      ["N'a' + NCHAR(0xFFFD)", 'a\uFFFD', 'a\uFFFD'],
      ["NCHAR(0) + N'a' + NCHAR(0)", '\0a\0', '\0a\0'],
      ["N'e' + NCHAR(0x0301)", 'e\u0301', 'e\u0301'],
    ],
  },
  { declared: 'text', catalog: ['text', 16, 0, 0], type: 'VARCHAR', values: [["'old'", 'old', 'old']] },
  { declared: 'ntext', catalog: ['ntext', 16, 0, 0], type: 'VARCHAR', values: [["N'öld'", 'öld', 'öld']] },
  {
    declared: 'binary(3)',
    catalog: ['binary', 3, 0, 0],
    type: 'BLOB',
    values: [['0x00FF', '00FF00', new Uint8Array([0, 255, 0])]],
  },
  {
    declared: 'varbinary(max)',
    catalog: ['varbinary', -1, 0, 0],
    type: 'BLOB',
    values: [
      ['0x00FF5C', '00FF5C', new Uint8Array([0, 255, 92])],
      ['0x', '', new Uint8Array()],
    ],
  },
  { declared: 'image', catalog: ['image', 16, 0, 0], type: 'BLOB', values: [['0x01', '01', new Uint8Array([1])]] },
  {
    declared: 'uniqueidentifier',
    catalog: ['uniqueidentifier', 16, 0, 0],
    type: 'VARCHAR',
    values: [
      [
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      ],
    ],
  },
  {
    declared: 'xml',
    catalog: ['xml', -1, 0, 0],
    type: 'VARCHAR',
    values: [['\'<a b="1">ä</a>\'', '<a b="1">ä</a>', '<a b="1">ä</a>']],
  },
  {
    declared: 'sql_variant',
    catalog: ['sql_variant', 8016, 0, 0],
    type: 'VARCHAR',
    values: [
      ['CONVERT(money, 12.3456)', '12.3456', '12.3456'],
      ['CONVERT(float, 0.1)', '1.0000000000000001e-001', '1.0000000000000001e-001'],
      ['CONVERT(varbinary(2), 0x00FF)', '0x00FF', '0x00FF'],
      ["N'ä'", 'ä', 'ä'],
    ],
  },
  {
    declared: 'hierarchyid',
    catalog: ['hierarchyid', 892, 0, 0],
    type: 'VARCHAR',
    values: [["'/1/2.5/'", '/1/2.5/', '/1/2.5/']],
  },
  {
    declared: 'geometry',
    catalog: ['geometry', -1, 0, 0],
    type: 'VARCHAR',
    values: [["geometry::STGeomFromText('POINT (1 2 3 4)', 0)", 'SRID=0;POINT (1 2 3 4)', 'SRID=0;POINT (1 2 3 4)']],
  },
  {
    declared: 'geography',
    catalog: ['geography', -1, 0, 0],
    type: 'VARCHAR',
    values: [['geography::Point(47.5, 19, 4326)', 'SRID=4326;POINT (19 47.5)', 'SRID=4326;POINT (19 47.5)']],
  },
]
