/** Apache Kafka in KRaft mode: one broker that is its own controller, or one of three. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { brokerMembers } from "./broker-members.ts";
import { findJava } from "./java.ts";
import { kafkaJars } from "./kafka-jars.ts";
import { errorLineOf, run } from "./run-command.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";

/** One node of the cluster: each is broker and controller. */
export interface ClusterNode {
  readonly nodeId: number;
  readonly controllerPort: number;
  /** Port for clients. */
  readonly port: number;
}

export interface BrokerOptions extends ClusterNode, StartOptions {
  readonly dir: string;
  /** All nodes, this one among them; 1 or 3. Stays the same as long as the data does. */
  readonly cluster: readonly ClusterNode[];
  /** Port that clients are told to connect to, where a proxy stands in front; brokers then talk to each other around it. */
  readonly advertisedPort?: number;
  /** Broker settings that differ from ours, by Kafka's names. */
  readonly config?: Readonly<Record<string, string | number>>;
}

const JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/**
 * Starts a broker on `dir`, formatting it first if it is new. Resolves when it takes requests; with three nodes that needs
 * a second one, so start them together.
 *
 * @throws {MissingComponentError} when Java or Kafka cannot be had on this machine.
 * @throws {UserError} with the log's last lines when it does not start.
 */
export async function startBroker(options: BrokerOptions): Promise<Server> {
  const { nodeId, port, advertisedPort = port } = options;
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const java = await findJava(options);
  const classPath = ["-cp", join(await kafkaJars(java, options), "*")];
  const properties = join(dir, "server.properties");
  writeFileSync(properties, propertiesOf(options, dir));
  await format(java, classPath, dir, properties, options.cluster);

  const logFile = join(dir, "broker.log");
  const server = launch({
    name: options.cluster.length > 1 ? `broker ${nodeId}` : "broker",
    kind: "broker",
    url: `127.0.0.1:${advertisedPort}`,
    port: advertisedPort,
    command: java,
    args: [
      ...JVM,
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      ...LOG_FORMAT,
      ...classPath,
      "kafka.Kafka",
      properties,
    ],
    logFile,
    // Controlled shutdown: leaders move away first. The last nodes of a cluster find nobody to move them to.
    cleanSignal: "SIGTERM",
    graceMs: 10_000,
  });
  return waitUntilAnswering(server, async () => (await brokerMembers("127.0.0.1", port)).includes(nodeId), {
    timeoutMs: 60_000,
    logFile,
    options: options,
  });
}

const LOG_FORMAT = [
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
];

function propertiesOf(
  { nodeId, port, controllerPort, advertisedPort, cluster, config }: BrokerOptions,
  dir: string,
): string {
  const copies = Math.min(3, cluster.length);
  const inSync = copies >= 3 ? 2 : 1;
  // Behind a proxy the brokers need a way around it; 0 takes any free port, and the broker tells the others which.
  const proxied = advertisedPort !== undefined;
  const internal = proxied ? ",INTERNAL://127.0.0.1:0" : "";
  const all: Record<string, string | number> = {
    "process.roles": "broker,controller",
    "node.id": nodeId,
    "controller.quorum.voters": cluster.map((n) => `${n.nodeId}@127.0.0.1:${n.controllerPort}`).join(","),
    listeners: `CLIENT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${internal}`,
    "advertised.listeners": `CLIENT://127.0.0.1:${advertisedPort ?? port}${internal}`,
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": proxied ? "INTERNAL" : "CLIENT",
    "log.dirs": join(dir, "data"),

    "default.replication.factor": copies,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": copies,
    "transaction.state.log.replication.factor": copies,
    "transaction.state.log.min.isr": inSync,
    // A topic that nobody declared is a mistake.
    "auto.create.topics.enable": "false",

    // Each internal partition costs at the start; a stack has a handful of groups and writers.
    "offsets.topic.num.partitions": 8,
    "transaction.state.log.num.partitions": 8,
    "group.initial.rebalance.delay.ms": 0,
    // A killed broker's leaders move after this, and it may join again only then.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    // 128 MB of the heap by default, for far more keys than a stack on one machine has.
    "log.cleaner.dedupe.buffer.size": 33_554_432,
    ...config,
  };
  return `${Object.entries(all)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n")}\n`;
}

/** A marker of our own says that formatting came to its end: Kafka's own file is there before. */
async function format(
  java: string,
  classPath: readonly string[],
  dir: string,
  properties: string,
  cluster: readonly ClusterNode[],
): Promise<void> {
  const marker = join(dir, "formatted");
  if (existsSync(marker)) return;
  rmSync(join(dir, "data"), { recursive: true, force: true });
  const { status, output } = await run(java, [
    ...JVM,
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
    ...classPath,
    ...["kafka.tools.StorageTool", "format", "-t", clusterId(cluster), "-c", properties],
  ]);
  if (status !== 0)
    throw new UserError(`the broker's data folder ${dir} could not be formatted: ${errorLineOf(output)}`);
  writeFileSync(marker, "");
}

/** The same for all nodes of a cluster, and another for a cluster on other ports, so that strangers never join. */
function clusterId(cluster: readonly ClusterNode[]): string {
  const id = createHash("sha256").update(JSON.stringify(cluster)).digest().subarray(0, 16);
  // In base64 it must not begin with a hyphen: the tool would take it for an option.
  id[0] = (id[0] ?? 0) & 0x3f;
  return id.toString("base64url");
}
