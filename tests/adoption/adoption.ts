/**
 * Adopts the sample tables as an operator does, by commands: a source with writers, a project in an empty folder, and a
 * relay, a stream and one replica as processes.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { eventually } from "../harness/eventually.ts";
import { brokerAddress, freePort, freshDatabase, redisUrl, temporaryFolder } from "../harness/servers.ts";
import { ServiceProcess } from "../harness/service-process.ts";
import { type Comparison, compareTable } from "./compare.ts";
import { type AdoptedTable, adoptedTables } from "./expectations.ts";
import { fill } from "./fill.ts";
import { loadSchemas } from "./load-schemas.ts";

const root = join(import.meta.dir, "../..");

/** The replica of the adopted tables. */
export const REPLICA = "copy";

/** What a command printed. */
export interface CommandResult {
  readonly status: number;
  /** The JSON of stdout. */
  // biome-ignore lint/suspicious/noExplicitAny: each command has its own members, which the tests name
  readonly document: any;
  readonly error: string;
}

/** A system around a source that others own. Disposing it stops the processes. */
export class Adoption implements AsyncDisposable {
  private readonly services = new Map<string, ServiceProcess>();
  private readonly ports = new Map<string, number>();

  private constructor(
    readonly folder: string,
    readonly sourceUrl: string,
    readonly replicaUrl: string,
    /** A client of the source's owner. */
    readonly source: Sql,
    readonly replica: Sql,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /**
   * Fills a source with about `rows` rows.
   *
   * @param own creates other tables than those of the samples.
   */
  static async start(rows: number, own?: (source: Sql) => Promise<unknown>): Promise<Adoption> {
    const [sourceUrl, replicaUrl] = [await freshDatabase(), await freshDatabase()];
    const source = postgres(sourceUrl, { max: 3, onnotice: () => {} });
    if (own) await own(source);
    else {
      await loadSchemas(source);
      await fill(source, rows);
    }
    const folder = temporaryFolder("adopt");
    // A namespace of its own keeps the topics apart from those of other tests.
    const namespace = `a${crypto.randomUUID().slice(0, 8)}`;
    writeFileSync(
      join(folder, "lockstep.config.ts"),
      `import { defineProject } from "lockstep";\n\nexport default defineProject({\n  namespace: "${namespace}",\n  entities: [],\n});\n`,
    );
    const env = {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      LOCKSTEP_CONFIG: join(folder, "lockstep.config.ts"),
      LOCKSTEP_LOG_LEVEL: "warn",
      LOCKSTEP_PARTITIONS: "1",
      KAFKA_BROKERS: await brokerAddress(),
      REDIS_URL: await redisUrl(),
    };
    return new Adoption(
      folder,
      sourceUrl,
      replicaUrl,
      source,
      postgres(replicaUrl, { max: 2, onnotice: () => {} }),
      env,
    );
  }

  /** Runs `lockstep ARGS… --json` in the project. */
  async run(...args: readonly string[]): Promise<CommandResult> {
    const child = this.spawn(...args);
    const [stdout, error, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { status, document: stdout.startsWith("{") ? JSON.parse(stdout) : undefined, error };
  }

  /** Starts `lockstep ARGS… --json`, to be killed. */
  spawn(...args: readonly string[]) {
    return Bun.spawn([process.execPath, join(root, "lockstep.ts"), ...args, "--json"], {
      cwd: this.folder,
      env: {
        ...this.env,
        LOCKSTEP_SOURCE_DATABASE_URL: this.sourceUrl,
        LOCKSTEP_REPLICA_DATABASE_URLS: `${REPLICA}=${this.replicaUrl}`,
      },
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Starts relay, stream and replica, and waits until they are ready. */
  async startServices(): Promise<void> {
    await Promise.all(["relay", "stream", `replica ${REPLICA}`].map((command) => this.startService(command)));
  }

  /** Starts a service again that was killed. */
  async startService(command: string): Promise<void> {
    const port = this.ports.get(command) ?? (await freePort());
    this.ports.set(command, port);
    const database = command.startsWith("replica") ? this.replicaUrl : this.sourceUrl;
    const service = new ServiceProcess(command, { ...this.env, DATABASE_URL: database, PORT: String(port) });
    this.services.set(command, service);
    await eventually(async () => (await fetch(`${service.url}/health/ready`)).ok, {
      timeoutMs: 120_000,
      what: `lockstep ${command} to be ready`,
    }).catch((error) => {
      throw new Error(`${error.message}\n${service.output.slice(-2_000)}`);
    });
  }

  /** Ends a service with SIGKILL. */
  async kill(command: string): Promise<void> {
    await this.services.get(command)?.[Symbol.asyncDispose]();
    this.services.delete(command);
  }

  /** Names of the services that run. */
  get running(): readonly string[] {
    return [...this.services.keys()];
  }

  /** What the services have logged. */
  get output(): string {
    return [...this.services].map(([name, { output }]) => `--- ${name}\n${output}`).join("\n");
  }

  /**
   * Compares all adopted tables by PostgreSQL's texts, while nobody writes.
   *
   * @returns the tables that differ.
   */
  async differences(tables: readonly AdoptedTable[] = adoptedTables): Promise<Map<string, Comparison>> {
    const found = new Map<string, Comparison>();
    for (const { relation, key } of tables) {
      const replica = /^"?[^".]+"?\.(.*)$/.exec(relation)![1]!;
      const comparison = await compareTable(this.sourceUrl, this.replicaUrl, { source: relation, replica, key }, 5);
      if (comparison.count > 0) found.set(relation, comparison);
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.services.values()].map((service) => service[Symbol.asyncDispose]()));
    await this.source.end({ timeout: 1 });
    await this.replica.end({ timeout: 1 });
  }
}
