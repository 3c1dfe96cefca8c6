/** An entity from its declaration alone: `lockstep generate` writes the rest, and both replicas have what they declare. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Project } from "../contracts/project.ts";
import { startGateway } from "../gateway/main.ts";
import { sourceMigrations } from "../gateway/migrations/index.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { connectDedicated } from "../platform/postgres/connect.ts";
import { loadProject } from "../platform/project-file.ts";
import type { Service } from "../platform/service.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { startRelay } from "../relay/main.ts";
import { startReplica } from "../replicas/main.ts";
import { startStream } from "../stream/main.ts";
import { brokerAddress, eventually, freePort, freshDatabase, redisUrl, temporaryFolder } from "./harness/servers.ts";

/** Ten fields of a customer. Unusual: the email is unique without its case and hashed for one replica, the settings are JSON, the phones a list. */
const declaration = `import { bigint, boolean, date, defineEntity, field, jsonb, mask, numeric, pgEnum, pgTable, pgType, text, varchar } from "lockstep";

export const tier = pgEnum("tier", ["basic", "gold"]);
const customers = pgTable("customers", {
  id: bigint({ mode: "number" }).primaryKey().generatedByDefaultAsIdentity(),
  email: pgType("citext").notNull().unique(),
  name: varchar({ length: 80 }).notNull(),
  balance: numeric({ precision: 14, scale: 2 }).notNull().default("0.00"),
  tier: tier().notNull().default("basic"),
  birthday: date(),
  newsletter: boolean().notNull().default(false),
  phones: text().array().notNull().default([]),
  settings: jsonb().notNull().default({}),
  notes: text(),
});
export const customer = defineEntity(customers, {
  name: "customer",
  private: ["notes"],
  example: { email: "ana@example.com", name: "Ana" },
  replicas: {
    crm: { where: (c) => c.tier === "gold", mask: { notes: (notes) => notes.toUpperCase() } },
    newsletter: { pick: ["name", "email"], mask: { email: mask.hash("EMAIL_KEY") }, derive: { isDebtor: field.boolean((c) => c.balance.startsWith("-")) } },
  },
});
`;

const silent = createLogger("test", "1", "silent");
const folder = temporaryFolder("generated");
const running: Service[] = [];
let project: Project;
let gateway: string;
const replicas = new Map<string, string>();
const databases = new Map<string, string>();

async function lockstep(...args: string[]) {
  const program = join(import.meta.dirname, "../lockstep.ts");
  const child = Bun.spawn([process.execPath, program, ...args], { cwd: folder, stdout: "pipe", stderr: "pipe" });
  const output = `${await new Response(child.stdout).text()}${await new Response(child.stderr).text()}`;
  return { status: await child.exited, output };
}

beforeAll(async () => {
  process.env.EMAIL_KEY = "a key";
  mkdirSync(join(folder, "migrations"));
  mkdirSync(join(folder, "entities"));
  writeFileSync(join(folder, "entities/customer.ts"), declaration);
  writeFileSync(
    join(folder, "lockstep.config.ts"),
    `import { defineProject } from "lockstep";
import { customer } from "./entities/customer.ts";
export default defineProject({
  namespace: "generated-${randomBytes(4).toString("hex")}",
  entities: [customer],
  migrations: new URL("./migrations/", import.meta.url),
});\n`,
  );
});
afterAll(async () => {
  for (const service of running.reverse()) await service.stop();
});

/** Starts all services in this process, as `lockstep up` does in its own. */
async function startServices(): Promise<void> {
  project = await loadProject(join(folder, "lockstep.config.ts"));
  const servers = { KAFKA_BROKERS: await brokerAddress(), REDIS_URL: await redisUrl(), LOCKSTEP_PARTITIONS: "2" };
  const deps = async (name: string, owner: string | undefined) => {
    if (owner !== undefined && !databases.has(owner)) databases.set(owner, await freshDatabase());
    const port = await freePort();
    const settings = readSettings({
      ...servers,
      LOCKSTEP_STATE_DIR: temporaryFolder("state"),
      PORT: String(port),
      ...(owner === undefined ? {} : { DATABASE_URL: databases.get(owner)! }),
    });
    return { port, deps: { settings, logger: silent, metrics: createMetrics(name, "1"), project } };
  };
  const first = await deps("gateway", "source");
  const started = await startGateway(first.deps);
  gateway = started.url;
  running.push(started);
  running.push(await startRelay((await deps("relay", "source")).deps, sourceMigrations(project)));
  running.push(await startStream((await deps("stream", undefined)).deps));
  for (const name of project.replicaNames) {
    const { port, deps: own } = await deps(`replica-${name}`, name);
    running.push(await startReplica(own, name));
    replicas.set(name, `http://127.0.0.1:${port}`);
  }
}

const read = async (replica: string, id: unknown) => {
  const response = await fetch(`${replicas.get(replica)}/customers/${id}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test("generate writes everything that two replicas need beside a declaration of 30 lines", async () => {
  expect(declaration.trim().split("\n").length).toBeLessThanOrEqual(30);
  expect((await lockstep("generate", "--check")).status).toBe(1);
  const { status, output } = await lockstep("generate");
  expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining("wrote ") });
  for (const database of ["source", "crm", "newsletter"])
    expect(readdirSync(join(folder, "migrations", database))).toEqual(["0001-customers.sql"]);
  expect(
    readFileSync(join(folder, "migrations/newsletter/0001-customers.sql"), "utf8"),
  ).toContain(`create table customers (
  id bigint primary key,
  email text not null,
  name varchar(80) not null,
  is_debtor boolean not null
);`);
  expect(await lockstep("generate", "--check")).toEqual({ status: 0, output: "everything is generated\n" });
}, 60_000);

test("a customer that is written through HTTP or SQL is in both replicas, as each declares it", async () => {
  await startServices();
  const response = await fetch(`${gateway}/customers`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...{ email: "Ana@Example.com", name: "Ana", tier: "gold", balance: "-12.50", birthday: "1990-02-28" },
      ...{ phones: ["+55 11 1"], settings: { limit: 10 }, notes: "vip" },
    }),
  });
  const created = (await response.json()) as { id: number };
  expect({ status: response.status, created }).toMatchObject({ status: 201, created: { email: "Ana@Example.com" } });
  await eventually(async () => (await read("crm", created.id)).status === 200, {
    timeoutMs: 20_000,
    what: "the replica has the customer",
  });
  expect((await read("crm", created.id)).body).toEqual({
    ...{ id: created.id, email: "Ana@Example.com", name: "Ana", balance: "-12.50", tier: "gold" },
    ...{ birthday: "1990-02-28", newsletter: false, phones: ["+55 11 1"], settings: { limit: 10 }, notes: "VIP" },
  });
  await eventually(async () => (await read("newsletter", created.id)).status === 200, {
    timeoutMs: 20_000,
    what: "the replica has the customer",
  });
  expect((await read("newsletter", created.id)).body).toEqual({
    ...{ id: created.id, name: "Ana", email: expect.stringMatching(/^[0-9a-f]{64}$/), isDebtor: true },
  });
  const sql = connectDedicated(databases.get("source")!, "test");
  const [row] = await sql<
    { id: string }[]
  >`insert into customers (email, name) values ('bo@example.com', 'Bo') returning id`;
  await sql.end({ timeout: 1 });
  await eventually(async () => (await read("newsletter", row!.id)).status === 200, {
    timeoutMs: 20_000,
    what: "the replica has the customer",
  });
  expect(await read("crm", row!.id)).toMatchObject({ status: 404 });
}, 120_000);
