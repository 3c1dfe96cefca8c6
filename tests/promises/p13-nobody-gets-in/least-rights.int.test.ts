/**
 * P13 at the brokers: every service and the operator's commands work with exactly the rights that `lockstep
 * broker-rights` prints.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from "kafkajs";
import postgres from "postgres";
import { sendPoison } from "../../../console/server/actions/poison.ts";
import { type BrokerOperation, type BrokerRight, brokerUsers } from "../../../contracts/broker-rights.ts";
import { controlTopic, eventsTopic, receiptsTopic } from "../../../contracts/topics.ts";
import { connectLog } from "../../../kafka/connect-log.ts";
import { brokerOptions } from "../../../kafka/security.ts";
import { createLogger } from "../../../observability/logger.ts";
import { ensureEntityTopics } from "../../../pipeline/ensure-topics.ts";
import { readSettings } from "../../../platform/settings/settings.ts";
import { request } from "../../harness/client.ts";
import { eventually } from "../../harness/eventually.ts";
import { newProduct } from "../../harness/load.ts";
import { type SecuredBroker, startSecuredBroker } from "../../harness/secured-broker.ts";
import { freePort, freshDatabase, redisUrl } from "../../harness/servers.ts";
import { ServiceProcess } from "../../harness/service-process.ts";
import { configFile, product, project } from "../../project/index.ts";

const root = `${import.meta.dir}/../../..`;
const logger = createLogger("test", "1", "silent");
const users = brokerUsers(project);
const passwords = Object.fromEntries(users.map(({ name }) => [name, crypto.randomUUID()]));

let broker: SecuredBroker;
let services: Record<string, ServiceProcess>;
let databases: Record<string, string>;

/** Broker settings of a service that connects as this user. */
const brokerSettings = (user: string): Record<string, string> => ({
  KAFKA_BROKERS: broker.sasl,
  KAFKA_TLS: "true",
  KAFKA_TLS_CA: broker.authority.ca,
  KAFKA_SASL_MECHANISM: "plain",
  KAFKA_SASL_USERNAME: user,
  KAFKA_SASL_PASSWORD: passwords[user]!,
  LOCKSTEP_PARTITIONS: "2",
});

const kinds = { topic: "TOPIC", group: "GROUP", "transactional-id": "TRANSACTIONAL_ID" } as const;
const names: Record<BrokerOperation, keyof typeof AclOperationTypes> = {
  Read: "READ",
  Write: "WRITE",
  Describe: "DESCRIBE",
  DescribeConfigs: "DESCRIBE_CONFIGS",
};

const entriesOf = (user: string, { resource, name, prefixed, operations }: BrokerRight) =>
  operations.map((operation) => ({
    resourceType: AclResourceTypes[kinds[resource]],
    resourceName: name,
    resourcePatternType: prefixed ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
    principal: `User:${user}`,
    host: "*",
    operation: AclOperationTypes[names[operation]],
    permissionType: AclPermissionTypes.ALLOW,
  }));

async function prepareTopics(): Promise<void> {
  const log = await connectLog({ brokers: [broker.plaintext], clientId: "prepare", logger });
  await ensureEntityTopics(log, readSettings({ LOCKSTEP_PARTITIONS: "2" }), project);
  const one = { partitions: 1, replicationFactor: 1, minInSyncReplicas: 1 };
  await log.ensureTopics([receiptsTopic(project), controlTopic(project)], one);
  await log.close();
}

async function prepareRights(): Promise<void> {
  const admin = new Kafka({ brokers: [broker.plaintext], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createAcls({
    acl: users.flatMap(({ name, rights }) => rights.flatMap((right) => entriesOf(name, right))),
  });
  await admin.disconnect();
}

beforeAll(async () => {
  broker = await startSecuredBroker(passwords, { rights: true });
  const [source, catalog, storefront] = [await freshDatabase(), await freshDatabase(), await freshDatabase()];
  databases = { source, catalog, storefront };
  await prepareTopics();
  await prepareRights();
  const start = async (command: string, user: string, env: Record<string, string>) =>
    new ServiceProcess(command, {
      ...brokerSettings(user),
      ...env,
      PORT: String(await freePort()),
      LOCKSTEP_LOG_LEVEL: "info",
    });
  const replica = async (name: string, database: string) =>
    start(`replica ${name}`, `replica-${name}`, { DATABASE_URL: database, REDIS_URL: await redisUrl() });
  services = {
    gateway: await start("gateway", "gateway", { DATABASE_URL: source }),
    relay: await start("relay", "relay", { DATABASE_URL: source }),
    stream: await start("stream", "stream", {}),
    catalog: await replica("catalog", catalog),
    storefront: await replica("storefront", storefront),
  };
  await Promise.all(Object.values(services).map((service) => service.untilReady()));
}, 120_000);
afterAll(async () => {
  await Promise.all(Object.values(services ?? {}).map((service) => service[Symbol.asyncDispose]()));
  await broker?.stop();
});

/** Runs an operator's command with the rights of operations; its exit status must be one of `expected`. */
const runWithStatus = async (expected: readonly number[], ...args: string[]): Promise<string> => {
  const child = Bun.spawn([process.execPath, "lockstep.ts", ...args], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      ...brokerSettings("operations"),
      LOCKSTEP_CONFIG: configFile,
      LOCKSTEP_SOURCE_DATABASE_URL: databases.source,
      LOCKSTEP_REPLICA_DATABASE_URLS: `catalog=${databases.catalog},storefront=${databases.storefront}`,
      LOCKSTEP_SERVICE_URLS: Object.entries(services)
        .map(([name, { url }]) => `${name}=${url}`)
        .join(),
      REDIS_URL: await redisUrl(),
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const status = await child.exited;
  expect([args, status, err]).toEqual([args, expect.any(Number), expect.not.stringContaining("AUTHORIZATION")]);
  expect(expected).toContain(status);
  return out;
};
const runCommand = (...args: string[]): Promise<string> => runWithStatus([0], ...args);

/** Waits until `lockstep status` lists exactly these conditions: one that it could not read would be another one. */
const untilConditions = (expected: readonly string[]): Promise<unknown> =>
  eventually(
    async () => {
      const out = await runWithStatus([expected.length > 0 ? 1 : 0], "status", "--json");
      const { conditions } = JSON.parse(out) as { conditions: { condition: string; where: string; problem: string }[] };
      const found = conditions.map(({ condition, where }) => `${condition} ${where}`);
      expect(JSON.stringify(conditions)).not.toContain("AUTHORIZATION");
      expect(found.sort()).toEqual([...expected]);
      return true;
    },
    { timeoutMs: 20_000, what: `the conditions [${expected.join(", ")}]`, everyMs: 500 },
  );

test("a write reaches both replicas, and their receipts reach the gateway that waits for them", async () => {
  const { status, headers } = await request("POST", `${services.gateway!.url}/products`, newProduct(), {
    prefer: "wait=10",
  });
  expect([status, headers.get("lockstep-replicas")]).toEqual([
    201,
    expect.stringMatching(/^catalog;ms=\d+, storefront;ms=\d+$/),
  ]);
}, 30_000);

test("a malformed event becomes a dead letter, and every operator's command succeeds", async () => {
  const { body } = await request("POST", `${services.gateway!.url}/products`, newProduct());
  const log = await connectLog({ brokers: [broker.plaintext], clientId: "test", logger });
  const source = postgres(databases.source!, { max: 1 });
  await sendPoison({ source, log }, product, String(body.id), "no-json");
  await Promise.all([log.close(), source.end()]);
  await eventually(async () => (await runCommand("dead-letters", "list")).includes("malformed-json"), {
    timeoutMs: 20_000,
    what: "the dead letter",
    everyMs: 500,
  });
  await runCommand("dead-letters", "replay", "--all");
  await runCommand("dead-letters", "drop", "--all", "--yes");
  await runCommand("pause", "storefront");
  await runCommand("resume", "storefront");
  await untilConditions(["not-verified catalog", "not-verified storefront"]);
  expect(await runCommand("journey", String(body.id))).toContain(String(body.id));
  await runCommand("verify");
  await untilConditions([]);
  await runCommand("rebuild", "catalog");
}, 120_000);

test("a replica has no right to write to the topic of the relay", async () => {
  const log = await connectLog({
    ...brokerOptions(readSettings(brokerSettings("replica-catalog"))),
    clientId: "attacker",
    logger,
  });
  const events = { topic: eventsTopic(product).name, partition: 0 };
  try {
    await expect(log.openWriter("lockstep.relay", [events])).rejects.toThrow(/AUTHORIZATION_FAILED/);
    await expect(log.openWriter("lockstep.replica.catalog.attacker", [events])).rejects.toThrow(/AUTHORIZATION_FAILED/);
  } finally {
    await log.close();
  }
});

test("broker-rights prints the arguments of Kafka's command line tool", () => {
  const printed = Bun.spawnSync([process.execPath, "lockstep.ts", "broker-rights", "--config", configFile], {
    cwd: root,
  }).stdout.toString();
  expect(printed.split("\n")).toContain(
    "--add --allow-principal User:lockstep-stream --operation Write --transactional-id lockstep.stream. --resource-pattern-type prefixed",
  );
  expect(printed.trim().split("\n").length).toBe(users.flatMap(({ rights }) => rights).length);
});
