/** Messages of PostgreSQL's protocol, version 3: those that a client sends, and the fields of those that it receives. */
import type { Credentials } from "./authentication.ts";

/** A buffer that grew beyond this size, in bytes, is not kept. */
const MAX_KEPT = 262_144;

/** First bytes of the messages that a server sends. */
export const received = {
  authentication: 0x52, // R
  commandComplete: 0x43, // C
  dataRow: 0x44, // D
  error: 0x45, // E
  noData: 0x6e, // n
  parameterDescription: 0x74, // t
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const;

/** Asks the server to answer what it has, without the end of a transaction. */
export const FLUSH = Buffer.from("H\0\0\0\x04", "latin1");
/** Ends a statement, and the transaction of its own. */
export const SYNC = Buffer.from("S\0\0\0\x04", "latin1");
/** Ends the session. */
export const TERMINATE = Buffer.from("X\0\0\0\x04", "latin1");

/** The messages of one step, in one buffer that is used again for the next step. */
export class MessageWriter {
  private buffer = Buffer.allocUnsafe(8_192);
  private length = 0;
  private start = 0;

  /** The messages. Valid until the next one begins. */
  take(): Buffer {
    const bytes = this.buffer.subarray(0, this.length);
    this.length = 0;
    if (this.buffer.length > MAX_KEPT) this.buffer = Buffer.allocUnsafe(8_192);
    return bytes;
  }

  /** Opens a session. @param parameters `user`, `database` and settings of the session. */
  startup(parameters: Readonly<Record<string, string>>): void {
    this.start = this.length;
    this.reserve(8);
    this.length += 4;
    this.int32(196_608);
    for (const [name, value] of Object.entries(parameters)) {
      this.text(name);
      this.text(value);
    }
    this.text("");
    this.buffer.writeInt32BE(this.length - this.start, this.start);
  }

  /** Answers a request for the password. */
  password({ text, mechanism }: Credentials): void {
    this.begin(0x70);
    if (mechanism !== undefined) {
      this.text(mechanism);
      this.int32(Buffer.byteLength(text));
    }
    this.raw(text);
    this.end();
  }

  /** One or more statements without parameters. */
  query(text: string): void {
    this.begin(0x51);
    this.text(text);
    this.end();
  }

  /** Parses a statement, and asks for the types of its parameters and the columns of its rows. */
  parseAndDescribe(name: string, text: string, types: readonly number[]): void {
    this.begin(0x50);
    this.text(name);
    this.text(text);
    this.int16(types.length);
    for (const type of types) this.int32(type);
    this.end();
    this.begin(0x44);
    this.byte(0x53);
    this.text(name);
    this.end();
  }

  /** Runs a parsed statement to its end. Parameters and columns are texts. */
  execute(name: string, parameters: readonly (string | null)[]): void {
    this.begin(0x42);
    this.byte(0); // The unnamed portal.
    this.text(name);
    this.int16(0);
    this.int16(parameters.length);
    for (const parameter of parameters) {
      if (parameter === null) this.int32(-1);
      else this.sized(parameter);
    }
    this.int16(0);
    this.end();
    this.begin(0x45);
    this.byte(0);
    this.int32(0);
    this.end();
    this.bytes(SYNC);
  }

  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  private begin(type: number): void {
    this.reserve(5);
    this.buffer[this.length] = type;
    this.start = this.length + 1;
    this.length += 5;
  }

  private end(): void {
    this.buffer.writeInt32BE(this.length - this.start, this.start);
  }

  private byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  private int16(value: number): void {
    this.reserve(2);
    this.buffer.writeUInt16BE(value, this.length);
    this.length += 2;
  }

  private int32(value: number): void {
    this.reserve(4);
    this.buffer.writeInt32BE(value, this.length);
    this.length += 4;
  }

  /** A text that ends with a zero byte. */
  private text(value: string): void {
    this.raw(value);
    this.byte(0);
  }

  /** A text after its length. */
  private sized(value: string): void {
    this.reserve(4 + value.length * 3);
    const length = this.buffer.write(value, this.length + 4, "utf8");
    this.buffer.writeInt32BE(length, this.length);
    this.length += 4 + length;
  }

  private raw(value: string): void {
    this.reserve(value.length * 3);
    this.length += this.buffer.write(value, this.length, "utf8");
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
  }
}

/** A column of the rows that a statement answers. */
export interface Column {
  readonly name: string;
  /** Reads a value from its text. Undefined: the value is the text. */
  readonly parse: ((text: string) => unknown) | undefined;
}

/** Converts values to and from PostgreSQL's texts, by the object id of their type. */
export interface TypeConversions {
  readonly parsers: Readonly<Record<number, (text: string) => unknown>>;
  readonly serializers: Readonly<Record<number, (value: unknown) => unknown>>;
}

/** The columns of a RowDescription. @param at start of the message in `bytes`, of its first byte. */
export function columnsOf(bytes: Buffer, at: number, { parsers }: TypeConversions): Column[] {
  const columns: Column[] = [];
  let position = at + 7;
  for (let count = bytes.readUInt16BE(at + 5); count > 0; count--) {
    const end = bytes.indexOf(0, position);
    columns.push({ name: bytes.toString("utf8", position, end), parse: parsers[bytes.readUInt32BE(end + 7)] });
    position = end + 19;
  }
  return columns;
}

/** The types of a ParameterDescription. */
export function parameterTypesOf(bytes: Buffer, at: number): number[] {
  const types: number[] = [];
  for (let i = 0, count = bytes.readUInt16BE(at + 5); i < count; i++) types.push(bytes.readUInt32BE(at + 7 + i * 4));
  return types;
}

/** The row of a DataRow. */
export function rowOf(bytes: Buffer, at: number, columns: readonly Column[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  let position = at + 7;
  for (let i = 0; i < columns.length; i++) {
    const { name, parse } = columns[i]!;
    const length = bytes.readInt32BE(position);
    position += 4;
    if (length < 0) row[name] = null;
    else {
      const text = bytes.toString("utf8", position, position + length);
      row[name] = parse === undefined ? text : parse(text);
      position += length;
    }
  }
  return row;
}

/** The number of rows in a CommandComplete: `INSERT 0 5`, `SELECT 3`; 0 for other commands. */
export function rowCountOf(bytes: Buffer, at: number, length: number): number {
  const tag = bytes.toString("latin1", at + 5, at + length);
  return Number(/ (\d+)$/.exec(tag)?.[1] ?? 0);
}

/** Names that postgres.js gives to the fields of an error. */
const ERROR_FIELDS: Readonly<Record<string, string>> = {
  S: "severity_local",
  V: "severity",
  C: "code",
  M: "message",
  D: "detail",
  H: "hint",
  P: "position",
  p: "internal_position",
  q: "internal_query",
  W: "where",
  s: "schema_name",
  t: "table_name",
  c: "column_name",
  d: "data type_name",
  n: "constraint_name",
  F: "file",
  L: "line",
  R: "routine",
};

/** The fields of an ErrorResponse. */
export function errorFieldsOf(bytes: Buffer, at: number, length: number): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const field of bytes.toString("utf8", at + 5, at + length).split("\0"))
    if (field) fields[ERROR_FIELDS[field[0]!] ?? field[0]!] = field.slice(1);
  return fields;
}
