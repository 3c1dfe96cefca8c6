/**
 * One connection to PostgreSQL, which runs one statement at a time.
 *
 * States: opening → idle ⇄ running → closed; opening and idle → closed.
 * - opening: connects and logs in, within a time limit.
 * - idle: `run` may be called.
 * - running: one statement is in flight. Its promise settles before the session is idle again.
 * - closed: the connection is gone, or `close` was called. Nothing runs on it any more.
 */
import type { Socket } from "bun";
import postgres from "postgres";
import { Authentication } from "./authentication.ts";
import {
  type Column,
  columnsOf,
  errorFieldsOf,
  FLUSH,
  MessageWriter,
  parameterTypesOf,
  received,
  rowCountOf,
  rowOf,
  SYNC,
  TERMINATE,
  type TypeConversions,
} from "./messages.ts";
import { Rows } from "./rows.ts";

/** Where and how a session connects. */
export interface SessionOptions extends TypeConversions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** PostgreSQL settings of the session, among them `application_name`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly connectTimeoutMs: number;
}

/** A statement to run. */
export interface Statement {
  readonly text: string;
  readonly parameters: readonly unknown[];
  /** Object ids of the types that the parameters have by their values; 0: the server chooses. */
  readonly types: readonly number[];
  /** `named`: parsed once per session. `unnamed`: parsed each time. `simple`: one or more without parameters. */
  readonly kind: "named" | "unnamed" | "simple";
}

/** A statement that the server has parsed. */
interface ParsedStatement {
  readonly name: string;
  types: readonly number[];
  columns: readonly Column[];
}

/** A statement in flight. */
interface Execution extends PromiseWithResolvers<Rows> {
  readonly statement: Statement;
  parsed: ParsedStatement;
  rows: Rows;
  /** The server parses the statement first, and tells the types of its parameters. */
  isDescribing: boolean;
  wasParsedBefore: boolean;
  error: Error | undefined;
}

/**
 * C functions of the server that report that a parsed statement no longer fits the schema, or is gone. The statement
 * did nothing, and is parsed again.
 */
const PARSE_AGAIN = ["FetchPreparedStatement", "RevalidateCachedQuery", "transformAssignedExpr"];
/** The system sends probes on a connection that is silent for this time, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;
const NO_BYTES = Buffer.alloc(0);

/** Shared by all sessions: messages are written to the socket before the next ones are made. */
const writer = new MessageWriter();

/** One connection; see the top of this file. */
export class Session {
  readonly openedAtMs = performance.now();
  /** When the last statement ended, or the session opened. */
  usedAtMs = this.openedAtMs;
  /** True once the session was idle. */
  wasOpened = false;
  private socket: Socket | undefined;
  private isClosed = false;
  private opening: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
  /** Resolves when the session is idle for the first time. Rejects with the error of the connection or of the server. */
  readonly opened = this.opening!.promise;
  private readonly connectTimer: Timer;
  private readonly authentication: Authentication;
  private execution: Execution | undefined;
  private readonly statements = new Map<string, ParsedStatement>();
  /** Statements that were ever parsed: names are not used again. */
  private parsedCount = 0;
  /** Start of a message whose end has not arrived. */
  private incoming: Buffer = NO_BYTES;
  private incomingLength = 0;
  private unsent: Buffer = NO_BYTES;
  /** The server's last words before it closed the connection. */
  private fatal: Error | undefined;

  /** @param onClose called once, when the session is closed for any reason. */
  constructor(
    private readonly options: SessionOptions,
    private readonly onClose: () => void,
  ) {
    this.authentication = new Authentication(options.user, options.password);
    this.connectTimer = setTimeout(() => this.fail(this.connectionError("CONNECT_TIMEOUT")), options.connectTimeoutMs);
    this.opened.catch(() => {});
    this.connect();
  }

  /** True when `close` was called, or the connection is gone. */
  get closed(): boolean {
    return this.isClosed;
  }

  /** Runs a statement. The session must be idle. @throws the error of the server or of the connection. */
  run(statement: Statement): Promise<Rows> {
    const execution: Execution = {
      statement,
      ...Promise.withResolvers<Rows>(),
      parsed: NOT_PARSED,
      rows: new Rows(),
      isDescribing: false,
      wasParsedBefore: false,
      error: undefined,
    };
    this.execution = execution;
    this.start(execution);
    return execution.promise;
  }

  /** Closes the connection. A statement in flight fails with this code. */
  close(code = "CONNECTION_DESTROYED"): void {
    if (this.isClosed) return;
    if (this.socket && !this.execution && !this.opening) this.socket.write(TERMINATE);
    this.fail(this.connectionError(code));
  }

  private connect(): void {
    const { host, port } = this.options;
    Bun.connect({
      hostname: host,
      port,
      socket: {
        open: (socket) => this.onConnected(socket),
        data: (_, bytes) => this.onBytes(bytes),
        drain: () => this.flush(),
        close: () => this.fail(this.connectionError("CONNECTION_CLOSED")),
        error: (_, error) => this.fail(error),
      },
    }).catch((error) => this.fail(this.connectFailure(error)));
  }

  /** Bun's error does not say what it could not connect to. */
  private connectFailure(cause: unknown): Error {
    const { host, port } = this.options;
    const code = (cause as { readonly code?: string }).code ?? "CONNECTION_FAILED";
    return Object.assign(new Error(`connect ${code} ${host}:${port}`, { cause }), { code });
  }

  private onConnected(socket: Socket): void {
    if (this.isClosed) return void socket.terminate();
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const { user, database, settings } = this.options;
    writer.startup({ user, database, client_encoding: "UTF8", ...settings });
    this.send(writer.take());
  }

  private start(execution: Execution): void {
    const { statement } = execution;
    const { text, types, kind } = statement;
    try {
      if (kind === "simple") writer.query(text);
      else {
        const known = kind === "named" ? this.statements.get(keyOf(statement)) : undefined;
        execution.wasParsedBefore = known !== undefined;
        if (known) {
          execution.parsed = known;
          writer.execute(known.name, textsOf(statement.parameters, known.types, this.options));
        } else {
          execution.isDescribing = true;
          const name = kind === "named" ? `s${++this.parsedCount}` : "";
          execution.parsed = { name, types, columns: [] };
          writer.parseAndDescribe(name, text, types);
          writer.bytes(FLUSH);
        }
      }
      this.send(writer.take());
    } catch (error) {
      // A value that has no text. Nothing was sent.
      writer.take();
      this.finish(execution, error as Error);
    }
  }

  private onDescribed(execution: Execution): void {
    const { statement, parsed } = execution;
    execution.isDescribing = false;
    if (statement.kind === "named") this.statements.set(keyOf(statement), parsed);
    try {
      writer.execute(parsed.name, textsOf(statement.parameters, parsed.types, this.options));
    } catch (error) {
      writer.take();
      execution.error = error as Error;
      writer.bytes(SYNC);
    }
    this.send(writer.take());
  }

  private send(bytes: Buffer): void {
    if (this.unsent.length > 0) {
      this.unsent = Buffer.concat([this.unsent, bytes]);
      return;
    }
    const written = Math.max(0, this.socket?.write(bytes) ?? 0);
    // The writer uses its buffer again.
    if (written < bytes.length) this.unsent = Buffer.from(bytes.subarray(written));
  }

  private flush(): void {
    if (this.unsent.length === 0) return;
    const written = Math.max(0, this.socket?.write(this.unsent) ?? 0);
    this.unsent = this.unsent.subarray(written);
  }

  private onBytes(bytes: Buffer): void {
    const all = this.incomingLength === 0 ? bytes : this.joined(bytes);
    let at = 0;
    try {
      while (all.length - at >= 5 && !this.isClosed) {
        const length = 1 + all.readUInt32BE(at + 1);
        if (all.length - at < length) break;
        this.onMessage(all, at, length);
        at += length;
      }
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    this.keep(all, at);
  }

  /** Appends to the start of a message. The buffer grows by factors, so that a long message is not copied often. */
  private joined(bytes: Buffer): Buffer {
    const length = this.incomingLength + bytes.length;
    if (length > this.incoming.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, this.incoming.length * 2));
      larger.set(this.incoming.subarray(0, this.incomingLength));
      this.incoming = larger;
    }
    this.incoming.set(bytes, this.incomingLength);
    this.incomingLength = length;
    return this.incoming.subarray(0, length);
  }

  /** Keeps the bytes from `at` on. The runtime uses the buffer of received bytes again, so they are copied. */
  private keep(all: Buffer, at: number): void {
    const rest = all.length - at;
    if (rest === 0) {
      this.incoming = NO_BYTES;
      this.incomingLength = 0;
    } else if (at > 0 || this.incomingLength === 0) {
      this.incoming = Buffer.from(all.subarray(at));
      this.incomingLength = rest;
    }
  }

  private onMessage(bytes: Buffer, at: number, length: number): void {
    const { execution } = this;
    switch (bytes[at]) {
      case received.dataRow:
        execution!.rows.push(rowOf(bytes, at, execution!.parsed.columns));
        return;
      case received.readyForQuery:
        if (execution) this.onReady(execution);
        else this.onOpened();
        return;
      case received.commandComplete:
        execution!.rows.count = rowCountOf(bytes, at, length - 1);
        return;
      case received.parameterDescription:
        execution!.parsed.types = parameterTypesOf(bytes, at);
        return;
      case received.rowDescription:
        this.onColumns(execution!, columnsOf(bytes, at, this.options));
        return;
      case received.noData:
        this.onDescribed(execution!);
        return;
      case received.error:
        this.onError(execution, postgresError(errorFieldsOf(bytes, at, length)));
        return;
      case received.authentication:
        this.onAuthentication(bytes.subarray(at + 5, at + length));
    }
  }

  private onAuthentication(body: Buffer): void {
    const credentials = this.authentication.answer(body);
    if (!credentials) return;
    writer.password(credentials);
    this.send(writer.take());
  }

  private onColumns(execution: Execution, columns: Column[]): void {
    if (execution.statement.kind === "simple") {
      // Of several statements, the rows of the last one count.
      execution.parsed = { name: "", types: [], columns };
      execution.rows = new Rows();
      return;
    }
    execution.parsed.columns = columns;
    if (execution.isDescribing) this.onDescribed(execution);
  }

  private onError(execution: Execution | undefined, error: postgres.PostgresError): void {
    if (this.opening) {
      this.fail(error);
      return;
    }
    if (!execution || error.severity === "FATAL" || error.severity === "PANIC") {
      this.fatal = error;
      return;
    }
    execution.error ??= error;
    if (!execution.isDescribing) return;
    // The server skips everything until this message.
    execution.isDescribing = false;
    this.send(SYNC);
  }

  private onOpened(): void {
    if (!this.opening) return;
    clearTimeout(this.connectTimer);
    const { resolve } = this.opening;
    this.opening = undefined;
    this.wasOpened = true;
    resolve();
  }

  private onReady(execution: Execution): void {
    const { error, statement } = execution;
    if (error && execution.wasParsedBefore && PARSE_AGAIN.includes((error as { routine?: string }).routine ?? "")) {
      this.statements.delete(keyOf(statement));
      execution.error = undefined;
      execution.rows = new Rows();
      this.start(execution);
      return;
    }
    this.finish(execution, error);
  }

  private finish(execution: Execution, error: Error | undefined): void {
    this.execution = undefined;
    this.usedAtMs = performance.now();
    if (error) execution.reject(error);
    else execution.resolve(execution.rows);
  }

  private fail(error: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.connectTimer);
    const { opening, execution, socket } = this;
    this.opening = undefined;
    this.execution = undefined;
    if (this.fatal) error.cause ??= this.fatal;
    socket?.end();
    opening?.reject(error);
    execution?.reject(error);
    this.onClose();
  }

  private connectionError(code: string): Error {
    const { host: address, port } = this.options;
    return Object.assign(new Error(`write ${code} ${address}:${port}`), { code, errno: code, address, port });
  }
}

const NOT_PARSED: ParsedStatement = { name: "", types: [], columns: [] };

/** A text is parsed again for parameters whose values have other types. */
const keyOf = ({ text, types }: Statement): string => (types.some((type) => type !== 0) ? `${types}${text}` : text);

function textsOf(
  parameters: readonly unknown[],
  types: readonly number[],
  { serializers }: TypeConversions,
): (string | null)[] {
  return parameters.map((parameter, i) => {
    if (parameter === null) return null;
    const serialize = serializers[types[i]!];
    return `${serialize ? serialize(parameter) : parameter}`;
  });
}

/** The error class of postgres.js, whose type does not show that its constructor takes the fields. */
const PostgresError = postgres.PostgresError as unknown as new (
  fields: Readonly<Record<string, string>>,
) => postgres.PostgresError;
const postgresError = (fields: Record<string, string>): postgres.PostgresError => new PostgresError(fields);
