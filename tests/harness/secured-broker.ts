/** Starts a broker with SASL and mutual TLS listeners, and a listener without authentication that tests use for setup. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startBroker } from "../../stack/servers/broker.ts";
import { findJava } from "../../stack/servers/java.ts";
import { kafkaJars } from "../../stack/servers/kafka-jars.ts";
import { run } from "../../stack/servers/run-command.ts";
import { type CertificateAuthority, createAuthority } from "./certificates.ts";
import { stopAtExit } from "./clean-up-at-exit.ts";
import { freePort, temporaryFolder } from "./servers.ts";

/** A running broker and the addresses of its listeners. */
export interface SecuredBroker {
  /** The authority that signed the broker's certificate. */
  readonly authority: CertificateAuthority;
  /** `host:port` of the listener without authentication or TLS. */
  readonly plaintext: string;
  /** `host:port` of SASL (PLAIN, SCRAM-SHA-512) over TLS. */
  readonly sasl: string;
  /** `host:port` of TLS with a client certificate. */
  readonly mutualTls: string;
  stop(): Promise<void>;
}

/** After this time a session with SCRAM must authenticate again, or the broker closes it at its next request. */
export const SCRAM_SESSION_MS = 2_000;

const PACKAGE = "org.apache.kafka.common.security";

/**
 * Starts the broker.
 *
 * @param users passwords by user name, for PLAIN.
 * @param rights true enables ACLs: a user may do only what an ACL grants. Anonymous clients remain superusers.
 */
export async function startSecuredBroker(
  users: Readonly<Record<string, string>>,
  { rights = false } = {},
): Promise<SecuredBroker> {
  const dir = temporaryFolder("guarded-broker");
  const [port, controllerPort, guarded, mutual] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const ours = await createAuthority();
  const { cert, key } = await ours.issue("127.0.0.1");
  const [keyFile, caFile] = [join(dir, "broker.pem"), join(dir, "ca.pem")];
  writeFileSync(keyFile, `${key}\n${cert}`);
  writeFileSync(caFile, ours.ca);
  const logins = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const clients = `CLIENT://127.0.0.1:${port},GUARDED://127.0.0.1:${guarded},MUTUAL://127.0.0.1:${mutual}`;
  const broker = await startBroker({
    nodeId: 1,
    port,
    controllerPort,
    cluster: [{ nodeId: 1, port, controllerPort }],
    dir,
    config: {
      listeners: `${clients},CONTROLLER://127.0.0.1:${controllerPort}`,
      "advertised.listeners": clients,
      "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL,MUTUAL:SSL",
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": keyFile,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": caFile,
      "listener.name.mutual.ssl.client.auth": "required",
      "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
      "listener.name.guarded.plain.sasl.jaas.config": `${PACKAGE}.plain.PlainLoginModule required ${logins.join(" ")};`,
      "listener.name.guarded.scram-sha-512.sasl.jaas.config": `${PACKAGE}.scram.ScramLoginModule required;`,
      "listener.name.guarded.scram-sha-512.connections.max.reauth.ms": SCRAM_SESSION_MS,
      ...(rights
        ? {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
          }
        : {}),
    },
  });
  stopAtExit(broker.pid, "KILL", dir);
  const at = (listener: number) => `127.0.0.1:${listener}`;
  return {
    authority: ours,
    plaintext: at(port),
    sasl: at(guarded),
    mutualTls: at(mutual),
    stop: () => broker.stop(),
  };
}

/**
 * Adds a SCRAM-SHA-512 user with Kafka's own tool, since the client library cannot.
 *
 * @param broker `host:port` of the listener without authentication.
 * @throws {Error} with the tool's output when it fails.
 */
export async function addScramUser(broker: string, user: string, password: string): Promise<void> {
  const java = await findJava({});
  const { status, output } = await run(java, [
    ...["-cp", join(await kafkaJars(java, {}), "*"), "kafka.admin.ConfigCommand"],
    ...["--bootstrap-server", broker, "--alter", "--entity-type", "users", "--entity-name", user],
    ...["--add-config", `SCRAM-SHA-512=[password=${password}]`],
  ]);
  if (status !== 0) throw new Error(`could not add SCRAM user ${user}: ${output.slice(-500)}`);
}
