/** Connects with TLS and SASL settings to a broker that requires both (P13). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLogger } from "../observability/logger.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { healthOf } from "../stack/health.ts";
import {
  addScramUser,
  SCRAM_SESSION_MS,
  type SecuredBroker,
  startSecuredBroker,
} from "../tests/harness/secured-broker.ts";
import { freePort } from "../tests/harness/servers.ts";
import { connectLog } from "./connect-log.ts";
import { brokerOptions } from "./security.ts";
import { Connection, ConnectionOptions } from "./wire/connection.ts";

const PASSWORD = "correct horse battery staple";
let broker: SecuredBroker;

beforeAll(async () => {
  broker = await startSecuredBroker({ lockstep: PASSWORD });
  await addScramUser(broker.plaintext, "lockstep", PASSWORD);
}, 120_000);
afterAll(() => broker?.stop());

/** Writes a record and reads it back, as a process with these settings would. */
async function roundTrip(address: string, env: Record<string, string>): Promise<string | undefined> {
  const settings = readSettings({ KAFKA_BROKERS: address, KAFKA_TLS: "true", ...env });
  const log = await connectLog({
    ...brokerOptions(settings),
    clientId: "guarded",
    connectTimeoutMs: 3_000,
    logger: createLogger("guarded", "1", "silent"),
  });
  try {
    const topicPartition = { topic: `t${crypto.randomUUID()}`, partition: 0 };
    await log.ensureTopics([{ name: topicPartition.topic, config: {} }], {
      partitions: 1,
      replicationFactor: 1,
      minInSyncReplicas: 1,
    });
    const writer = await log.openWriter("guarded", [topicPartition]);
    await writer.write(topicPartition, [{ key: "k", value: "written", headers: {} }]);
    for await (const [record] of log.read(topicPartition, 0, 10)) return record?.value?.toString();
    return undefined;
  } finally {
    await log.close();
  }
}

const sasl = (mechanism: string, password = PASSWORD) => ({
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: "lockstep",
  KAFKA_SASL_PASSWORD: password,
});

describe("the broker accepts", () => {
  test.each(["plain", "scram-sha-512"])("%s over TLS", async (mechanism) => {
    expect(await roundTrip(broker.sasl, { KAFKA_TLS_CA: broker.authority.ca, ...sasl(mechanism) })).toBe("written");
  });

  test("a client certificate of its own authority", async () => {
    const { cert, key } = await broker.authority.issue("lockstep");
    expect(
      await roundTrip(broker.mutualTls, {
        KAFKA_TLS_CA: broker.authority.ca,
        KAFKA_TLS_CERT: cert,
        KAFKA_TLS_KEY: key,
      }),
    ).toBe("written");
  });
});

test("a session is renewed before its lifetime ends, so that no request fails", async () => {
  const [host = "", port = ""] = broker.sasl.split(":");
  const { security } = brokerOptions(
    readSettings({ KAFKA_TLS: "true", KAFKA_TLS_CA: broker.authority.ca, ...sasl("scram-sha-512") }),
  );
  const sent: string[] = [];
  const connection = new Connection(
    { id: 1, host, port: Number(port) },
    new ConnectionOptions({
      ...{ clientId: "guarded", security, logger: createLogger("guarded", "1", "silent") },
      onRequest: (name) => sent.push(name),
    }),
  );
  for (const end = Date.now() + 1.5 * SCRAM_SESSION_MS; Date.now() < end; await Bun.sleep(100))
    await connection.request("Metadata", { topics: [], allowAutoTopicCreation: false });
  connection.close();
  expect(sent.filter((name) => name === "sasl_handshake").length).toBeGreaterThan(1);
});

describe("the error names the reason for", () => {
  test.each([
    [
      "a wrong password",
      () => ({ KAFKA_TLS_CA: broker.authority.ca, ...sasl("scram-sha-512", "wrong") }),
      /SASL SCRAM SHA512/i,
    ],
    ["an unknown authority", () => sasl("scram-sha-512"), /certificate/i],
  ] as const)("%s", async (_, env, reason) => {
    const error = await roundTrip(broker.sasl, env()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Error);
    expect(String(error) + String((error as Error).cause ?? "")).toMatch(reason);
    expect(String(error)).not.toContain(PASSWORD);
  });
});

test("healthOf reports such a broker as ready when it is external, and as down otherwise", async () => {
  expect(await healthOf("broker", broker.sasl, true)).toEqual({ health: "ready" });
  expect((await healthOf("broker", broker.sasl)).health).toBe("down");
  expect((await healthOf("broker", `127.0.0.1:${await freePort()}`, true)).health).toBe("down");
});
