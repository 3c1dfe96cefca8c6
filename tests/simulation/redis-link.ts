/**
 * One process' connection to Redis, with the promises of platform/redis/redis.ts: commands reject while there is no
 * connection, none is sent twice, and the run id is that of the server which gets the next command.
 */
import type { Redis } from "ioredis";
import type { RedisLink } from "../../platform/redis/redis.ts";
import type { RedisServer } from "./redis-server.ts";
import { ConnectionState, latency, request } from "./request.ts";
import type { SimulatedProcess, World } from "./world.ts";

const RECONNECT_MS = [50, 200, 1_000];
const closed = (): Error => new Error("the connection to Redis is closed");

/** One connection, until it breaks. */
class Connection extends ConnectionState {
  isOpen = true;

  constructor(readonly generation: number) {
    super();
  }
}

/** The link. It opens again by itself. */
export class SimulatedRedisLink implements RedisLink {
  readonly client: Redis;
  private connection: Connection | undefined;
  private known: string | undefined;

  constructor(
    private readonly world: World,
    private readonly server: RedisServer,
    private readonly process: SimulatedProcess,
  ) {
    const texts = (values: readonly (string | number)[]) => values.map(String);
    this.client = {
      get: (key: string) => this.send(() => server.strings.get(key) ?? null),
      set: (key: string, value: string, _unit: "PX", ttlMs: number) =>
        this.send(() => {
          server.strings.set(key, value, ttlMs);
          return "OK";
        }),
      evalsha: (digest: string, count: number, ...rest: (string | number)[]) =>
        this.send(() => server.evalsha(digest, texts(rest.slice(0, count)), texts(rest.slice(count)))),
      eval: (text: string, count: number, ...rest: (string | number)[]) =>
        this.send(() => server.eval(text, texts(rest.slice(0, count)), texts(rest.slice(count)))),
    } as unknown as Redis;
    void this.connect();
  }

  readonly runId = (): string | undefined => this.known;
  close(): void {}

  /** Opens a connection, and asks the server who it is. */
  private async connect(): Promise<void> {
    const { server } = this;
    const connection = new Connection(server.generation);
    this.connection = connection;
    const runId = await this.send(() => server.runId).catch(() => undefined);
    if (connection.isOpen && runId) this.known = runId;
  }

  private async send<T>(command: () => T): Promise<T> {
    const { world, server, connection } = this;
    if (!connection?.isOpen) throw closed();
    const run = () => {
      if (connection.generation !== server.generation) throw closed();
      return command();
    };
    try {
      const answer = await request(world, this.process, run, { noAnswer: closed, connection });
      if (!connection.isOpen) throw closed();
      return answer;
    } catch (error) {
      // An error of the server, such as NOSCRIPT, leaves the connection open.
      if (connection.isCut || connection.generation !== server.generation) this.lose(connection);
      throw error;
    }
  }

  private lose(connection: Connection): void {
    if (!connection.isOpen) return;
    connection.isOpen = false;
    this.known = undefined;
    const { world, process } = this;
    world.schedule(world.random.pick(RECONNECT_MS) + latency(world), process, () => void this.connect());
  }
}
