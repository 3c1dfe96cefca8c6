/**
 * Entry of the two processes of a dual write, as tutorials show it. The front answers HTTP: it writes the row to the
 * source and then sends it to the broker. The consumer upserts each message into the copy. It makes no promise: a front
 * that ends between the two writes loses the change, and two concurrent changes of a row may be sent in the wrong
 * order.
 *
 * The parent sends the options over IPC and gets `{ url }` when the process is ready.
 */
import { type Consumer, Kafka, logLevel, type Producer } from "kafkajs";
import postgres from "postgres";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import { rowOf } from "../../../contracts/entity/row.ts";
import { inputSchema } from "../../../contracts/entity/schemas.ts";
import { loadProject } from "../../../platform/project-file.ts";
import { workloadOf } from "../../workload/workload.ts";
import { copyStatements, sourceStatements } from "./dual-write-statements.ts";
import { COPIED_REPLICA } from "./peer-servers.ts";

/** What the parent sends. */
export interface DualWriteOptions {
  readonly role: "front" | "consumer";
  /** Address of the broker. */
  readonly broker: string;
  /** URL of the source for the front, and of the copy for the consumer. */
  readonly database: string;
}

/** What the parent gets. */
export interface DualWriteReady {
  /** Base URL of the front; empty for the consumer. */
  readonly url: string;
}

const topic = "dual-write";

interface Message {
  readonly id: string;
  /** Null: deleted. */
  readonly row: object | null;
}

async function startFront(database: string, producer: Producer, entity: EntityDeclaration): Promise<string> {
  const sql = postgres(database);
  const statements = sourceStatements(entity);
  const execute = async (text: string, values: string[]) =>
    (await sql.unsafe<{ id: string; version: string; row: object }[]>(text, values, { prepare: true }))[0];
  const send = (message: Message) =>
    producer.send({ topic, messages: [{ key: message.id, value: JSON.stringify(message) }] });
  const rowFrom = async (request: Request) =>
    JSON.stringify(rowOf(entity, inputSchema(entity).parse(await request.json())));
  const upsert = async (request: Request, status: number, text: string, ...id: string[]) => {
    const written = await execute(text, [await rowFrom(request), ...id]);
    if (!written) return new Response(null, { status: 404 });
    await send(written);
    return Response.json(written.row, { status, headers: { etag: `"${written.version}"` } });
  };
  await producer.connect();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      [`/${entity.plural}`]: { POST: (request: Request) => upsert(request, 201, statements.insert) },
      [`/${entity.plural}/:id`]: {
        PUT: (request: Request) => upsert(request, 200, statements.update, idOf(request)),
        DELETE: async (request: Request) => {
          const removed = await execute(statements.remove, [idOf(request)]);
          if (!removed) return new Response(null, { status: 404 });
          await send({ id: removed.id, row: null });
          return new Response(null, { status: 204 });
        },
      },
    },
  });
  return `http://127.0.0.1:${server.port}`;
}

const idOf = (request: Request): string => new URL(request.url).pathname.split("/")[2] ?? "";

async function startConsumer(database: string, consumer: Consumer, entity: EntityDeclaration): Promise<void> {
  const sql = postgres(database);
  const replica = entity.replicas.find(({ name }) => name === COPIED_REPLICA)!;
  const { upsert, remove } = copyStatements(replica);
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  // kafkajs restarts the consumer by itself after most errors. After the others the bench should notice.
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) throw payload.error;
  });
  const joined = new Promise<unknown>((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { id, row } = JSON.parse(message.value?.toString() ?? "") as Message;
      await (row
        ? sql.unsafe(upsert, [JSON.stringify(row)], { prepare: true })
        : sql.unsafe(remove, [id], { prepare: true }));
    },
  });
  await joined;
}

async function start({ role, broker, database }: DualWriteOptions): Promise<DualWriteReady> {
  const { entity } = await workloadOf(await loadProject());
  const kafka = new Kafka({ clientId: `dual-write-${role}`, brokers: [broker], logLevel: logLevel.NOTHING });
  if (role === "front") {
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }], waitForLeaders: true });
    await admin.disconnect();
    return { url: await startFront(database, kafka.producer(), entity) };
  }
  await startConsumer(database, kafka.consumer({ groupId: "dual-write" }), entity);
  return { url: "" };
}

// The parent has ended, or stops this process.
process.on("disconnect", () => process.exit(0));
process.once("message", async (options: DualWriteOptions) => process.send?.(await start(options)));
