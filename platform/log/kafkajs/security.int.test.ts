/** Brokers that let nobody in who does not say who they are, over TLS: what the settings say is what goes over the wire. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLogger } from "../../../observability/logger.ts";
import { startBroker } from "../../../stack/embedded/broker.ts";
import type { Server } from "../../../stack/embedded/server.ts";
import { healthOf } from "../../../stack/health.ts";
import { type Authority, authority } from "../../../tests/harness/certificates.ts";
import { endWithUs } from "../../../tests/harness/guard.ts";
import { freePort, temporaryFolder } from "../../../tests/harness/parts.ts";
import { addScramUser } from "../../../tests/harness/scram-user.ts";
import { readSettings } from "../../settings.ts";
import { connectLog } from "./index.ts";
import { brokersOf } from "./security.ts";

const PASSWORD = "correct horse battery staple";
let ours: Authority;
let broker: Server;
/** Listeners: SASL over TLS, mutual TLS. */
let guarded: number;
let mutual: number;

beforeAll(async () => {
  const dir = temporaryFolder("guarded-broker");
  const [port, controllerPort] = [await freePort(), await freePort()];
  [guarded, mutual] = [await freePort(), await freePort()];
  ours = await authority();
  const { cert, key } = await ours.issue("127.0.0.1");
  const [keyFile, caFile] = [join(dir, "broker.pem"), join(dir, "ca.pem")];
  writeFileSync(keyFile, `${key}\n${cert}`);
  writeFileSync(caFile, ours.ca);
  const jaas = `org.apache.kafka.common.security`;
  broker = await startBroker({
    nodeId: 1,
    port,
    controllerPort,
    cluster: [{ nodeId: 1, port, controllerPort }],
    dir,
    config: {
      listeners: `CLIENT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort},GUARDED://127.0.0.1:${guarded},MUTUAL://127.0.0.1:${mutual}`,
      "advertised.listeners": `CLIENT://127.0.0.1:${port},GUARDED://127.0.0.1:${guarded},MUTUAL://127.0.0.1:${mutual}`,
      "listener.security.protocol.map":
        "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,GUARDED:SASL_SSL,MUTUAL:SSL",
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": keyFile,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": caFile,
      "listener.name.mutual.ssl.client.auth": "required",
      "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
      "listener.name.guarded.plain.sasl.jaas.config": `${jaas}.plain.PlainLoginModule required user_lockstep="${PASSWORD}";`,
      "listener.name.guarded.scram-sha-512.sasl.jaas.config": `${jaas}.scram.ScramLoginModule required;`,
    },
  });
  endWithUs(broker.pid, "KILL", dir);
  await addScramUser(`127.0.0.1:${port}`, "lockstep", PASSWORD);
}, 120_000);
afterAll(() => broker?.stop());

/** Writes a record and reads it again, as a process with these settings would. */
async function roundTrip(port: number, env: Record<string, string>): Promise<string | undefined> {
  const settings = readSettings({ KAFKA_BROKERS: `127.0.0.1:${port}`, KAFKA_TLS: "true", ...env });
  const log = await connectLog({
    ...brokersOf(settings),
    clientId: "guarded",
    connectTimeoutMs: 3_000,
    logger: createLogger("guarded", "1", "silent"),
  });
  try {
    const at = { topic: `t${crypto.randomUUID()}`, partition: 0 };
    await log.ensureTopics([{ name: at.topic, config: {} }], {
      partitions: 1,
      replicationFactor: 1,
      minInSyncReplicas: 1,
    });
    const writer = await log.openWriter("guarded", [at]);
    await writer.write(at, [{ key: "k", value: "told", headers: {} }]);
    for await (const [record] of log.read(at, 0, 10)) return record?.value?.toString();
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

describe("lets in", () => {
  test.each(["plain", "scram-sha-512"])("%s over TLS", async (mechanism) => {
    expect(await roundTrip(guarded, { KAFKA_TLS_CA: ours.ca, ...sasl(mechanism) })).toBe("told");
  });

  test("a certificate of its own authority", async () => {
    const { cert, key } = await ours.issue("lockstep");
    expect(await roundTrip(mutual, { KAFKA_TLS_CA: ours.ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key })).toBe("told");
  });
});

describe("says why not", () => {
  test.each([
    ["a wrong password", () => ({ KAFKA_TLS_CA: ours.ca, ...sasl("scram-sha-512", "wrong") }), /SASL SCRAM SHA512/i],
    ["an unknown authority", () => sasl("scram-sha-512"), /certificate/i],
  ] as const)("%s", async (_, env, why) => {
    const error = await roundTrip(guarded, env()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Error);
    expect(String(error) + String((error as Error).cause ?? "")).toMatch(why);
    expect(String(error)).not.toContain(PASSWORD);
  });
});

test("such a broker is there, for who asks about health without a password", async () => {
  expect(await healthOf("broker", `127.0.0.1:${guarded}`)).toEqual({ health: "ready" });
  expect((await healthOf("broker", `127.0.0.1:${await freePort()}`)).health).toBe("down");
});
