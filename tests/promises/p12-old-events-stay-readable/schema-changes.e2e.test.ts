/**
 * P12: the worked example of docs/schema-changes.md on a running stack. The stack runs from a copy of the repository.
 * The test writes the example's files into that copy and replaces the services one by one while clients write and read.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import postgres from "postgres";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document } from "../../../contracts/entity/document.ts";
import { documentSchema } from "../../../contracts/entity/schemas.ts";
import { header } from "../../../contracts/event.ts";
import { decodeRouted } from "../../../contracts/routed-event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../../../contracts/topics.ts";
import { connectLog } from "../../../kafka/connect-log.ts";
import type { Log, StoredRecord } from "../../../kafka/log.ts";
import { createLogger } from "../../../observability/logger.ts";
import { Rejection } from "../../../stream/rejection.ts";
import { validatorOf } from "../../../stream/validate.ts";
import { eventually } from "../../harness/eventually.ts";
import { newProduct, Reader, Writers } from "../../harness/load.ts";
import { Stack } from "../../harness/stack.ts";
import { findLostWrites, findTopicViolations, untilInStep } from "../../harness/stack-checker.ts";
import { RepositoryCopy, statementFor } from "../../harness/worked-example.ts";

const REPLICAS = ["catalog", "storefront"];
/** Minimum number of writes in flight when a service is replaced. */
const IN_FLIGHT = 40;

type Shape = 1 | 2;

test("P12: adding, renaming, retyping and dropping a field on a running stack loses and rejects no event", async () => {
  using copy = RepositoryCopy.create();
  await using stack = await Stack.start({ root: copy.root, env: { LOCKSTEP_CONFIG: copy.config } });
  const before = await declarationOf(copy, 1);
  const client = new Client(await stack.url("gateway"), await stack.url("gateway-db"));
  let known = [before];
  const readers = await startReaders(stack, client.writers, () => known);

  copy.applyStep(1);
  for (const replica of REPLICAS) await replace(stack, replica, client);
  await withPaused(stack, "relay", client, async () => {
    await replace(stack, "gateway", client, "SIGTERM");
    expect(await pendingRowsInOldShape(stack)).toBe(0);
  });
  await backfill(stack);

  copy.applyStep(2);
  await copy.run("record-schema", "--config", copy.config);
  const after = await declarationOf(copy, 2);
  expect([before.schemaVersion, after.schemaVersion]).toEqual([1, 2]);
  known = [before, after];
  for (const replica of REPLICAS) await replace(stack, replica, client);
  known = [after]; // caches that hold version 1 must return version 2 as well
  for (const name of ["stream", "relay"]) await replace(stack, name, client);
  await replace(stack, "gateway", client, "SIGTERM");
  client.shape = 2;
  await client.writes(IN_FLIGHT);
  // The rebuild reads documents of both versions, and compares its result with the source.
  await copy.run("lockstep", "rebuild", "catalog", "--data", stack.data);

  copy.applyStep(3);
  for (const name of [...REPLICAS, "gateway"]) await replace(stack, name, client);
  await query(stack, "gateway", (sql) => sql.unsafe(statementFor("source: send everything again")));
  await client.writes(IN_FLIGHT);
  await client.stop();

  await untilInStep(stack, 30_000, [after]);
  for (const reader of readers) await reader.stop();
  for (const reader of readers) expect(reader.reads).toBeGreaterThan(100);
  const violations = readers.flatMap((reader) => reader.violations);
  expect(violations.slice(0, 10)).toEqual([]);
  expect(await findLostWrites(stack, client.writers)).toEqual([]);
  await checkLog(stack, after);
  for (const owner of ["gateway", ...REPLICAS]) expect(await oldColumns(stack, owner)).toEqual([]);
  await copy.run("lockstep", "verify", "--share", "1", "--data", stack.data);
  await digestsAgree(stack);
}, 240_000);

/** Imports the declaration from the copy in its current form. */
async function declarationOf(copy: RepositoryCopy, version: Shape): Promise<EntityDeclaration> {
  // The query string makes Bun load the module once per version, not once per process.
  const path = `${join(copy.project, "product.ts")}?v${version}`;
  return ((await import(path)) as { product: EntityDeclaration }).product;
}

/** Writes over HTTP and by plain SQL, in the shape that the gateway accepts now. */
class Client {
  /** The shape that the gateway accepts now. */
  shape: Shape = 1;
  readonly writers: Writers;
  private sending = true;
  private readonly bySql: Promise<void>;

  constructor(gateway: string, source: string) {
    this.writers = new Writers(gateway, 60, {
      created: () => inShape(this.shape, newProduct()),
      changed: () => (Math.random() < 0.5 ? { stock: 1 } : inShape(this.shape, { name: "Renamed", price: "0.29" })),
    }).start();
    this.bySql = this.writeSql(source);
  }

  /** Waits until `count` more writes are acknowledged. */
  async writes(count: number): Promise<void> {
    const target = this.writers.acks + count;
    await eventually(() => this.writers.acks >= target, { timeoutMs: 20_000, what: `${count} more writes` });
  }

  async stop(): Promise<void> {
    this.sending = false;
    await this.writers.stop();
    await this.bySql;
  }

  private async writeSql(source: string): Promise<void> {
    const sql = postgres(source, { max: 1, onnotice: () => {} });
    const rows = { 1: { name: "SQL", price: "1.50" }, 2: { title: "SQL", price_cents: 150 } };
    const changes = { 1: { name: "SQL again", price: "2.00" }, 2: { title: "SQL again", price_cents: 200 } };
    while (this.sending) {
      const row = { sku: `sql-${Bun.randomUUIDv7()}`, ...rows[this.shape] };
      const [made] = await sql<[{ id: string }]>`insert into products ${sql(row)} returning id`;
      await sql`update products set ${sql(changes[this.shape])}, status = 'active' where id = ${made.id}`;
      await Bun.sleep(100);
    }
    await sql.end();
  }
}

/** Converts a request body of version 1 to the given shape. */
function inShape(shape: Shape, body: Record<string, unknown>): Record<string, unknown> {
  if (shape === 1) return body;
  const { name, price, description: _, ...unchanged } = body;
  return { ...unchanged, title: name, priceCents: Number(String(price).replace(".", "")) };
}

/** Starts readers of both replicas. Each document that they read must be valid in one of the known versions. */
async function startReaders(
  stack: Stack,
  writers: Writers,
  known: () => readonly EntityDeclaration[],
): Promise<Reader[]> {
  const readers: Reader[] = [];
  for (const name of REPLICAS)
    readers.push(
      new Reader(
        name,
        await stack.url(name),
        () => writers.ids(),
        (document) => {
          const schemas = known().map((entity) => documentSchema(replicaOf(entity, name)));
          return schemas.some((schema) => schema.safeParse(document).success) ? undefined : JSON.stringify(document);
        },
      ),
    );
  return readers;
}

const replicaOf = (entity: EntityDeclaration, name: string) =>
  entity.replicas.find((replica) => replica.name === name)!;

/**
 * Ends a service and waits for its successor, which runs the copy's current code. A service other than the gateway is
 * paused first, so that it ends with work in flight.
 */
async function replace(stack: Stack, name: string, client: Client, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (name === "gateway") return void (await stack.untilReplaced(name, await stack.kill(name, signal)));
  const pid = await stack.kill(name, "SIGSTOP");
  await client.writes(IN_FLIGHT);
  process.kill(pid, signal);
  await stack.untilReplaced(name, pid);
}

/** Pauses a service, waits until writes queue up in front of it, and runs the action before it resumes the service. */
async function withPaused(stack: Stack, name: string, client: Client, action: () => Promise<void>): Promise<void> {
  const pid = await stack.kill(name, "SIGSTOP");
  try {
    await client.writes(IN_FLIGHT);
    await action();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Number of outbox rows that a relay of version 2 cannot publish. */
const pendingRowsInOldShape = async (stack: Stack): Promise<number> =>
  query(stack, "gateway", async (sql) => {
    const [row] = await sql<[{ rows: number; old: number }]>`
      select count(*)::int as rows, count(*) filter (where not data ?& '{title,price_cents,weight_grams}')::int as old
      from lockstep.outbox where data is not null`;
    expect(row.rows).toBeGreaterThan(0);
    return row.old;
  });

async function backfill(stack: Stack): Promise<void> {
  await query(stack, "gateway", async (sql) => {
    while ((await sql.unsafe(statementFor("source: until no row changes"))).count > 0);
  });
  for (const replica of REPLICAS)
    await query(stack, replica, (sql) =>
      eventually(async () => (await sql.unsafe(statementFor("replicas: until there are none")))[0]!.count === "0", {
        timeoutMs: 20_000,
        what: `${replica} to be backfilled`,
      }),
    );
}

/** Columns of the old version that still exist. */
const oldColumns = (stack: Stack, owner: string): Promise<string[]> =>
  query(stack, owner, async (sql) => {
    const rows = await sql<{ name: string }[]>`
      select attname as name from pg_attribute
      where attrelid = 'products'::regclass and attname in ('name', 'price', 'description')`;
    return rows.map(({ name }) => name);
  });

/** The digests in the replicas equal those of the source's current rows, so verification has no candidates. */
async function digestsAgree(stack: Stack): Promise<void> {
  const sumOf = (owner: string, selectSum: string) =>
    query(stack, owner, async (sql) =>
      (await sql.unsafe<{ sum: string }[]>(`set timezone = 'UTC'; ${selectSum}`).simple()).at(-1),
    );
  const source = await sumOf("gateway", "select sum(hashtextextended(to_jsonb(t)::text, 0)) from products t");
  for (const replica of REPLICAS)
    expect(await sumOf(replica, "select sum(digest) from lockstep.versions where entity = 'product'")).toEqual(source);
}

async function query<T>(stack: Stack, owner: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(await stack.url(`${owner}-db`), { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** The log has no dead letter, gap or duplicate, and version 2 can read each of its records. */
async function checkLog(stack: Stack, after: EntityDeclaration): Promise<void> {
  const brokers = await stack.brokers();
  const log = await connectLog({ brokers, clientId: "test", logger: createLogger("test", "1", "silent") });
  try {
    const deadLetters = await recordsOf(log, deadLetterTopic(after).name);
    expect(deadLetters.map(({ headers }) => headers["lockstep-detail"])).toEqual([]);
    expect(await findTopicViolations(stack, log, [after])).toEqual([]);
    const events = await recordsOf(log, eventsTopic(after).name);
    expect(versionsIn(events)).toEqual(["1", "2"]);
    const validate = validatorOf(after, await log.partitionCount(eventsTopic(after).name));
    expect(events.map((record) => validate(record)).filter((result) => result instanceof Rejection)).toEqual([]);
    for (const replica of after.replicas) {
      const routed = await recordsOf(log, replicaTopic(after, replica.name).name);
      expect(versionsIn(routed)).toEqual(["1", "2"]);
      const documents = routed.map((record) => decodeRouted(record, { entity: after, replica }).document);
      const schema = documentSchema(replica);
      const invalid = documents.filter((document: Document | null) => document && !schema.safeParse(document).success);
      expect(invalid).toEqual([]);
    }
  } finally {
    await log.close();
  }
}

const versionsIn = (records: readonly StoredRecord[]): string[] =>
  [...new Set(records.map(({ headers }) => headers[header.schemaVersion] ?? "none"))].sort();

async function recordsOf(log: Log, topic: string): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const [partition, { first, next }] of await log.offsets(topic))
    for await (const batch of log.read({ topic, partition }, first, next)) records.push(...batch);
  return records;
}
