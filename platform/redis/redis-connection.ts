/**
 * One connection to a Redis server. Commands of one turn of the event loop go out in one write, and replies belong to
 * them in order. Nothing is sent twice.
 *
 * States: connecting → open → closed.
 * - connecting: the server has not said who it is. `runId` is undefined, and only the first commands of the connection
 *   are sent.
 * - open: `runId` identifies the server process.
 * - closed: all commands without a reply have failed, with an unknown outcome.
 */
import net from "node:net";
import tls from "node:tls";
import type { RedisAddress } from "./address.ts";
import { encodeCommand, RedisReplyError, type Reply, ReplyReader } from "./resp.ts";

const KEEP_ALIVE_MS = 10_000;

/** How a connection begins and when it closes itself. */
export interface RedisConnectionOptions {
  readonly address: RedisAddress;
  /** Shown in `CLIENT LIST`. */
  readonly name: string;
  readonly connectTimeoutMs: number;
  /** The connection closes when the server owes a reply and sends nothing for this long. */
  readonly silenceMs: number;
  /** Called when the server has identified itself. */
  readonly onOpen: () => void;
  /** Called once when the connection has closed, or could not be opened. */
  readonly onClosed: (error: Error) => void;
}

interface Pending {
  readonly resolve: (reply: string | number | null) => void;
  readonly reject: (error: Error) => void;
}

/** See the states at the top of this file. */
export class RedisConnection {
  /** Run id of the server process; undefined unless the connection is open. */
  runId: string | undefined;
  private socket: Bun.Socket<undefined> | undefined;
  private failure: Error | undefined;
  /** Commands of this turn. */
  private commands = "";
  /** Bytes that the kernel has not accepted yet. */
  private unsent: Buffer | undefined;
  /** Commands without a reply, in the order in which they were sent. */
  private readonly pending: Pending[] = [];
  private readonly reader = new ReplyReader((reply) => this.onReply(reply));
  private lastByteMs = 0;
  private readonly connectTimer: Timer;
  private silenceTimer: Timer | undefined;

  /** Starts to connect. */
  constructor(private readonly options: RedisConnectionOptions) {
    const { connectTimeoutMs } = options;
    this.connectTimer = setTimeout(
      () => this.close(new Error(`Redis did not accept a connection within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    this.connect().catch((error) => this.close(error));
  }

  /**
   * Sends a command.
   *
   * @throws {RedisReplyError} when the server rejects it.
   * @throws {Error} when the connection is closed, or closes before the reply: the server may have run it.
   */
  send(words: readonly (string | number)[]): Promise<string | number | null> {
    if (this.failure) return Promise.reject(this.failure);
    if (this.commands === "") setImmediate(() => this.writeCommands());
    this.commands += encodeCommand(words);
    return new Promise((resolve, reject) => {
      if (this.pending.push({ resolve, reject }) === 1) this.watchSilence();
    });
  }

  /** Closes the connection. Commands without a reply fail. */
  close(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    this.runId = undefined;
    clearTimeout(this.connectTimer);
    clearTimeout(this.silenceTimer);
    this.unsent = undefined;
    this.socket?.terminate();
    for (const { reject } of this.pending.splice(0)) reject(error);
    this.options.onClosed(error);
  }

  private async connect(): Promise<void> {
    const { host, port, tls: isEncrypted } = this.options.address;
    const closed = () => this.close(new Error("Redis closed the connection"));
    await Bun.connect<undefined>({
      hostname: host,
      port,
      ...(isEncrypted ? { tls: { rejectUnauthorized: true, ...(net.isIP(host) ? {} : { serverName: host }) } } : {}),
      data: undefined,
      socket: {
        open: (socket) => {
          this.socket = socket;
          if (this.failure) return void socket.terminate();
          socket.setNoDelay(true);
          socket.setKeepAlive(true, KEEP_ALIVE_MS);
          if (!isEncrypted) void this.identify();
        },
        handshake: (socket, isAuthorized, error) => {
          if (!isEncrypted) return;
          const invalid = error ?? tls.checkServerIdentity(host, socket.getPeerCertificate());
          if (isAuthorized && !invalid) void this.identify();
          else this.close(invalid ?? new Error("the certificate of Redis is not valid"));
        },
        data: (_, chunk) => this.receive(chunk),
        drain: () => this.writeUnsent(),
        error: (_, error) => this.close(error),
        connectError: (_, error) => this.close(error),
        end: closed,
        close: closed,
      },
    });
  }

  /** The first commands of the connection, in one write. */
  private async identify(): Promise<void> {
    const { address, name, onOpen } = this.options;
    const { username, password, database } = address;
    try {
      const [persistence, server] = await Promise.all([
        password === undefined ? undefined : this.send(["AUTH", ...(username ? [username] : []), password]),
        database === 0 ? undefined : this.send(["SELECT", database]),
        this.send(["CLIENT", "SETNAME", name]).catch(() => {}), // only for people
        this.send(["INFO", "persistence"]),
        this.send(["INFO", "server"]),
      ]).then((replies) => replies.slice(-2).map(String));
      if (/^loading:1/m.test(persistence!)) throw new Error("Redis is loading its data");
      const runId = /^run_id:(\S+)/m.exec(server!)?.[1];
      if (!runId) throw new Error("the response to INFO has no run_id");
      if (this.failure) return;
      clearTimeout(this.connectTimer);
      this.runId = runId;
      onOpen();
    } catch (error) {
      this.close(error as Error);
    }
  }

  private writeCommands(): void {
    const bytes = Buffer.from(this.commands);
    this.commands = "";
    if (this.failure) return;
    if (this.unsent) this.unsent = Buffer.concat([this.unsent, bytes]);
    else {
      this.unsent = bytes;
      this.writeUnsent();
    }
  }

  /** Writes until the kernel accepts no more; its `drain` event continues. */
  private writeUnsent(): void {
    if (!this.unsent) return;
    // Negative when the socket is closed; its `close` event fails the commands.
    const written = this.socket?.write(this.unsent) ?? 0;
    if (written >= this.unsent.length) this.unsent = undefined;
    else if (written > 0) this.unsent = this.unsent.subarray(written);
  }

  private receive(chunk: Buffer): void {
    this.lastByteMs = performance.now();
    try {
      this.reader.read(chunk);
    } catch (error) {
      this.close(error as Error);
    }
  }

  private onReply(reply: Reply): void {
    const command = this.pending.shift();
    if (!command) throw new Error("Redis sent a reply without a command");
    if (reply instanceof RedisReplyError) command.reject(reply);
    else command.resolve(reply);
  }

  /** One timer for all commands: a timer for each costs as much as its round trip. */
  private watchSilence(): void {
    this.lastByteMs = performance.now();
    this.silenceTimer ??= setTimeout(() => this.checkSilence(), this.options.silenceMs);
  }

  private checkSilence(): void {
    this.silenceTimer = undefined;
    if (this.pending.length === 0) return;
    const { silenceMs } = this.options;
    const remainingMs = this.lastByteMs + silenceMs - performance.now();
    if (remainingMs <= 0) this.close(new Error(`Redis owes a reply and sent nothing for ${silenceMs} ms`));
    else this.silenceTimer = setTimeout(() => this.checkSilence(), remainingMs);
  }
}
