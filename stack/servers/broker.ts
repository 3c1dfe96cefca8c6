/** An embedded Apache Kafka in KRaft mode: a single node, or one of three. Each node is broker and controller. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { brokerMembers } from "./broker-members.ts";
import { findJava } from "./java.ts";
import { kafkaJars } from "./kafka-jars.ts";
import { errorLineOf, run } from "./run-command.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";

/** One node of a cluster. */
export interface ClusterNode {
  readonly nodeId: number;
  readonly controllerPort: number;
  /** Port for clients. */
  readonly port: number;
}

/** Where and how to start a node. */
export interface BrokerOptions extends ClusterNode, StartOptions {
  readonly dir: string;
  /** All nodes including this one: 1 or 3. Cannot change while the data exists. */
  readonly cluster: readonly ClusterNode[];
  /**
   * Proxies that some clients connect through. The broker listens on `listener` for each, and tells the clients of this
   * listener to connect to `port`, which is the proxy's.
   */
  readonly proxies?: readonly { readonly listener: number; readonly port: number }[];
  /** Kafka broker settings that override the defaults below. */
  readonly config?: Readonly<Record<string, string | number>>;
}

/** Without the file for monitoring tools, which the JVM would update 20 times a second. */
const JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData"];
/** The first compiler only: the quickest start. */
const QUICK_START = ["-XX:TieredStopAtLevel=1"];
/**
 * Both compilers. The second one costs 5 s of CPU in the first 10,000 writes, and then a write costs a third less. It
 * compiles after more calls than by default, so that it skips what only the start calls.
 */
const LONG_RUN = [
  "-XX:Tier4InvocationThreshold=10000",
  "-XX:Tier4MinInvocationThreshold=2000",
  "-XX:Tier4CompileThreshold=25000",
  "-XX:Tier4BackEdgeThreshold=120000",
];

/**
 * Starts a node on `dir`, and formats the folder first when it is new. Resolves when the node accepts requests. A node
 * of three needs a second one for that, so start them at the same time.
 *
 * @throws {MissingComponentError} when this machine lacks Java or Kafka and cannot fetch them.
 * @throws {UserError} with the log's last lines when it does not start.
 */
export async function startBroker(options: BrokerOptions): Promise<Server> {
  const { nodeId, port } = options;
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
    url: `127.0.0.1:${port}`,
    port,
    command: java,
    args: [
      ...JVM,
      // Three nodes on one machine would compile three times, and are there to be killed and started again.
      ...(options.cluster.length > 1 ? QUICK_START : LONG_RUN),
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      ...LOG_FORMAT,
      ...classPath,
      "kafka.Kafka",
      properties,
    ],
    logFile,
    // Controlled shutdown: partition leaders move to other nodes first. The last nodes of a cluster time out.
    cleanSignal: "SIGTERM",
    graceMs: 10_000,
  });
  return waitUntilAnswering(server, async () => (await brokerMembers("127.0.0.1", port)).includes(nodeId), {
    timeoutMs: 60_000,
    logFile,
    options,
  });
}

const LOG_FORMAT = [
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
];

function propertiesOf(
  { nodeId, port, controllerPort, proxies = [], cluster, config }: BrokerOptions,
  dir: string,
): string {
  const replicationFactor = Math.min(3, cluster.length);
  const minInSync = replicationFactor >= 3 ? 2 : 1;
  // The broker names to each client the addresses of the listener that this client used.
  const proxied = proxies.map((proxy, i) => ({ ...proxy, name: `PROXIED${i}` }));
  const settings: Record<string, string | number> = {
    "process.roles": "broker,controller",
    "node.id": nodeId,
    "controller.quorum.voters": cluster.map((n) => `${n.nodeId}@127.0.0.1:${n.controllerPort}`).join(","),
    listeners: [
      `CLIENT://127.0.0.1:${port}`,
      `CONTROLLER://127.0.0.1:${controllerPort}`,
      ...proxied.map(({ name, listener }) => `${name}://127.0.0.1:${listener}`),
    ].join(),
    "advertised.listeners": [
      `CLIENT://127.0.0.1:${port}`,
      ...proxied.map((proxy) => `${proxy.name}://127.0.0.1:${proxy.port}`),
    ].join(),
    "listener.security.protocol.map": ["CLIENT", "CONTROLLER", ...proxied.map(({ name }) => name)]
      .map((name) => `${name}:PLAINTEXT`)
      .join(),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "log.dirs": join(dir, "data"),

    "default.replication.factor": replicationFactor,
    "min.insync.replicas": minInSync,
    "offsets.topic.replication.factor": replicationFactor,
    "transaction.state.log.replication.factor": replicationFactor,
    "transaction.state.log.min.isr": minInSync,
    // The services create their topics. Any other topic would be a mistake.
    "auto.create.topics.enable": "false",

    // Each internal partition makes the start slower, and a stack has only a few groups and writers.
    "offsets.topic.num.partitions": 8,
    "transaction.state.log.num.partitions": 8,
    "group.initial.rebalance.delay.ms": 0,
    // After this time the leaders of a killed broker move, and it may register again.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    // Threads for each listener, and for requests. The defaults, 3 and 8, mostly wake each other on a few cores.
    "num.network.threads": 2,
    "num.io.threads": 4,
    // An idle controller writes an empty record at this interval, which only metrics show. The default is 500.
    "metadata.max.idle.interval.ms": 5000,
    // The default is 128 MB of the heap, for far more keys than a stack on one machine has.
    "log.cleaner.dedupe.buffer.size": 33_554_432,
    ...config,
  };
  return `${Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n")}\n`;
}

/** Formats a new data folder. Our own marker file shows that it finished: Kafka writes its file before the end. */
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
    ...QUICK_START,
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
    ...classPath,
    ...["kafka.tools.StorageTool", "format", "-t", clusterId(cluster), "-c", properties],
  ]);
  if (status !== 0)
    throw new UserError(`the broker's data folder ${dir} could not be formatted: ${errorLineOf(output)}`);
  writeFileSync(marker, "");
}

/** An id that depends on all nodes and their ports: a node of another cluster cannot join. */
function clusterId(cluster: readonly ClusterNode[]): string {
  const id = createHash("sha256").update(JSON.stringify(cluster)).digest().subarray(0, 16);
  // The base64 text must not begin with a hyphen: Kafka's tool would parse it as an option.
  id[0] = (id[0] ?? 0) & 0x3f;
  return id.toString("base64url");
}
