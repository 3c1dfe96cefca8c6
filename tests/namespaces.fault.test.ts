/**
 * Two projects with the same entities and replicas on one broker and one Redis, each with a namespace: a write to one
 * never reaches the other. Two sources of one namespace: the second is refused, until it takes over.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { type Admin, Kafka, logLevel } from "kafkajs";
import postgres from "postgres";
import { differences } from "../load-tests/bench/differences.ts";
import { loadProject } from "../platform/project-file.ts";
import { startBrokers, type TestBrokers } from "./harness/brokers.ts";
import { request } from "./harness/client.ts";
import { eventually } from "./harness/eventually.ts";
import { newProduct } from "./harness/load.ts";
import { freePort, freshDatabase, redisUrl, temporaryFolder } from "./harness/servers.ts";
import { ServiceProcess } from "./harness/service-process.ts";

const NAMESPACES = ["north", "south"] as const;
const REPLICA = "catalog";
const root = join(import.meta.dirname, "..");

let brokers: TestBrokers;
let admin: Admin;
const systems = new Map<string, System>();

/** The services of one project. */
class System {
  private constructor(
    readonly namespace: string,
    readonly config: string,
    readonly source: string,
    readonly replica: string,
    readonly services: Map<string, ServiceProcess>,
  ) {}

  /** The project of the tests with a namespace. */
  static async start(namespace: string): Promise<System> {
    const folder = temporaryFolder(namespace);
    const config = join(folder, "lockstep.config.ts");
    const products = join(import.meta.dirname, "project/product.ts");
    const migrations = join(import.meta.dirname, "project/migrations/");
    mkdirSync(join(folder, "state"));
    writeFileSync(
      config,
      `import { defineProject } from "lockstep";
import { product } from ${JSON.stringify(products)};
const migrations = new URL("file://${migrations}");
export default defineProject({ namespace: "${namespace}", entities: [product], migrations });
`,
    );
    const system = new System(namespace, config, await freshDatabase(), await freshDatabase(), new Map());
    await Promise.all(["gateway", "relay", "stream", `replica ${REPLICA}`].map((command) => system.run(command)));
    return system;
  }

  /** Starts a service, and waits until it is ready. */
  async run(command: string, source = this.source): Promise<ServiceProcess> {
    const service = await this.spawn(command, source);
    await service.untilReady();
    this.services.set(command, service);
    return service;
  }

  async spawn(command: string, source: string): Promise<ServiceProcess> {
    return new ServiceProcess(command, {
      LOCKSTEP_CONFIG: this.config,
      LOCKSTEP_LOG_LEVEL: "info",
      LOCKSTEP_PARTITIONS: "2",
      LOCKSTEP_STATE_DIR: join(this.config, "../state"),
      KAFKA_BROKERS: brokers.addresses.join(),
      REDIS_URL: await redisUrl(),
      DATABASE_URL: command.startsWith("replica") ? this.replica : source,
      PORT: String(await freePort()),
    });
  }

  /** Runs an operator's command. */
  async lockstep(source: string, ...args: readonly string[]): Promise<{ status: number; output: string }> {
    const child = Bun.spawn([process.execPath, "lockstep.ts", ...args], {
      cwd: root,
      env: {
        ...process.env,
        LOCKSTEP_CONFIG: this.config,
        KAFKA_BROKERS: brokers.addresses.join(),
        LOCKSTEP_SOURCE_DATABASE_URL: source,
        LOCKSTEP_REPLICA_DATABASE_URLS: `${REPLICA}=${this.replica}`,
      },
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { status: await child.exited, output: output.join("\n") };
  }

  url(command: string): string {
    return this.services.get(command)!.url;
  }

  /** Creates, changes and deletes products. */
  async write(count: number): Promise<void> {
    const products = `${this.url("gateway")}/products`;
    for (let i = 0; i < count; i++) {
      const created = await request("POST", products, newProduct({ name: `${this.namespace} ${i}` }));
      expect(created.status).toBe(201);
      const path = `${products}/${(created.body as { id: string }).id}`;
      expect((await request("PATCH", path, { stock: i })).status).toBe(200);
      if (i % 4 === 0) expect((await request("DELETE", path)).status).toBeWithin(200, 300);
    }
  }

  /** True when the replica confirms a write to the gateway. */
  async isConfirmed(): Promise<boolean> {
    const products = `${this.url("gateway")}/products`;
    const { headers } = await request("POST", products, newProduct(), { prefer: "wait=2" });
    return headers.get("lockstep-replicas")?.includes(`${REPLICA};ms=`) ?? false;
  }

  async untilInStep(): Promise<void> {
    const { entities } = await loadProject(this.config);
    const inStep = async () => (await differences(this.source, this.replica, REPLICA, entities)).length === 0;
    await eventually(inStep, {
      timeoutMs: 30_000,
      what: `${this.namespace} to be in step`,
    });
  }

  /** The first start on an empty log warns of topics that another service has not created yet. */
  private startedOutput = new Map<ServiceProcess, number>();

  /** From now on, lines of the logs count as {@link warnings}. */
  ignoreStart(): void {
    for (const service of this.services.values()) this.startedOutput.set(service, service.output.length);
  }

  /** Lines of the logs that are warnings or errors. */
  get warnings(): string[] {
    return [...this.services.values()].flatMap((service) =>
      service.output
        .slice(this.startedOutput.get(service) ?? 0)
        .split("\n")
        .filter((line) => /"level":"(warn|error|fatal)"/.test(line)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.services.values()].map((service) => service[Symbol.asyncDispose]()));
  }
}

const system = (namespace: string): System => systems.get(namespace)!;

/** Makes a database the same source as another one, as a dump and its restore do. */
async function copyIdentity(from: string, to: string): Promise<void> {
  const [original, copy] = [postgres(from, { max: 1 }), postgres(to, { max: 1 })];
  const [row] = await original<{ id: string }[]>`select id from lockstep.source_identity`;
  await copy`update lockstep.source_identity set id = ${row!.id}`;
  await Promise.all([original.end(), copy.end()]);
}

beforeAll(async () => {
  brokers = await startBrokers(1);
  admin = new Kafka({ brokers: [...brokers.addresses], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await Promise.all(NAMESPACES.map(async (name) => systems.set(name, await System.start(name))));
  for (const one of systems.values()) {
    // Receipts flow once every service has found its topics.
    await eventually(() => one.isConfirmed(), { timeoutMs: 60_000, what: `receipts of ${one.namespace}` });
    one.ignoreStart();
  }
}, 180_000);

afterAll(async () => {
  await Promise.all([...systems.values()].map((one) => one[Symbol.asyncDispose]()));
  await admin?.disconnect();
  await brokers?.stop();
}, 60_000);

test("both systems stay in step, without a warning", async () => {
  await Promise.all([...systems.values()].map((one) => one.write(20)));
  for (const one of systems.values()) await one.untilInStep();
  for (const one of systems.values()) expect(one.warnings).toEqual([]);
}, 120_000);

test("every topic, group and cache key has its namespace", async () => {
  const isQualified = (name: string) => NAMESPACES.some((namespace) => name.startsWith(`${namespace}.`));
  const topics = (await admin.listTopics()).filter((name) => !name.startsWith("__"));
  expect(topics.filter((name) => !isQualified(name))).toEqual([]);
  expect(topics).toEqual(expect.arrayContaining(NAMESPACES.map((name) => `${name}.lockstep.receipts`)));
  const { groups } = await admin.listGroups();
  expect(groups.map(({ groupId }) => groupId).filter((name) => !isQualified(name))).toEqual([]);
  const redis = new Redis(await redisUrl());
  for (const namespace of NAMESPACES) {
    const [, keys] = await redis.scan("0", "MATCH", `*${namespace}*`, "COUNT", 100_000);
    expect(keys.length).toBeGreaterThan(0);
  }
  redis.disconnect();
});

test("the relay of another source with the same namespace refuses to start, and disturbs nobody", async () => {
  const north = system("north");
  await using intruder = await north.spawn("relay", await freshDatabase());
  expect(await intruder.exitStatus()).toBe(1);
  for (const part of ["topics of the namespace north", "another source", "lockstep take-over"])
    expect(intruder.output).toContain(part);
  await north.write(4);
  await north.untilInStep();
  expect(north.warnings).toEqual([]);
}, 60_000);

test("after lockstep take-over the other source leads, and the former one is refused", async () => {
  const north = system("north");
  const restored = await freshDatabase();
  // Its first start installs Lockstep, and is refused.
  await using refused = await north.spawn("relay", restored);
  expect(await refused.exitStatus()).toBe(1);
  await north.services.get("relay")![Symbol.asyncDispose]();
  const taken = await north.lockstep(restored, "take-over");
  expect(taken).toMatchObject({ status: 0, output: expect.stringContaining("lockstep resync") });
  await north.run("relay", restored);
  await eventually(() => north.services.get("relay")!.output.includes("this relay leads"), {
    timeoutMs: 20_000,
    what: "the relay of the restored source to lead",
  });
  await using former = await north.spawn("relay", north.source);
  expect(await former.exitStatus()).toBe(1);
  expect(former.output).toContain("hold the events of another source");
  const back = await north.lockstep(north.source, "take-over", "--json");
  expect(JSON.parse(back.output).replaced).toHaveLength(1);
}, 90_000);

test("a source with the same identity in another database has moved: its relay goes on, and says so", async () => {
  const north = system("north");
  await north.services.get("relay")![Symbol.asyncDispose]();
  const moved = await freshDatabase();
  await using refused = await north.spawn("relay", moved);
  expect(await refused.exitStatus()).toBe(1);
  await copyIdentity(north.source, moved);
  await north.run("relay", moved);
  await eventually(() => north.services.get("relay")!.output.includes("the source has moved"), {
    timeoutMs: 20_000,
    what: "the relay to renew its claim",
  });
}, 60_000);
