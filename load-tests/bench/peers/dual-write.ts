/** The dual write of a tutorial with one copy, for `bench --against dual-write`; see dual-write-process.ts. */
import { join } from "node:path";
import { UserError } from "../../../contracts/errors.ts";
import { workloadOf } from "../../workload/workload.ts";
import type { WatchedProcess } from "../processes.ts";
import type { DualWriteOptions, DualWriteReady } from "./dual-write-process.ts";
import { type Peer, PeerServers, type Schemas } from "./peer-servers.ts";

interface DualWriteProcess extends WatchedProcess {
  readonly url: string;
  stop(): Promise<unknown>;
}

/**
 * Starts source, copy, broker, front and consumer on free ports and in a temporary folder.
 *
 * @param signal aborts the start, which then leaves nothing behind.
 * @throws {UserError} when a server or process does not start.
 */
export async function startDualWrite(schemas: Schemas, signal?: AbortSignal): Promise<Peer> {
  const servers = new PeerServers(schemas, signal);
  const started: DualWriteProcess[] = [];
  const stop = async () => {
    await Promise.all(started.map((process) => process.stop()));
    await servers.stop();
  };
  try {
    const { project } = schemas;
    const workload = await workloadOf(project);
    const source = await servers.startSource(workload.entity);
    const copy = await servers.startCopy("copy");
    const broker = await servers.startBroker();
    const front = await startProcess({ role: "front", broker, database: source.url });
    started.push(front);
    signal?.throwIfAborted();
    started.push(await startProcess({ role: "consumer", broker, database: copy.url }));
    signal?.throwIfAborted();
    const processes = [...servers.processes, ...started.map(({ name, kind, pid }) => ({ name, kind, pid }))];
    const absent = { redis: "", replicaUrls: new Map(), services: [] };
    return { project, workload, gateway: front.url, ...absent, source, replicas: [copy], processes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts one of the two processes. @throws {UserError} when it ends before it is ready. */
async function startProcess(options: DualWriteOptions): Promise<DualWriteProcess> {
  const ready = Promise.withResolvers<DualWriteReady>();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "dual-write-process.ts")], {
    stdio: ["ignore", "inherit", "inherit"],
    // kafkajs sets negative timeouts, which Bun warns of.
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
    ipc: (message: DualWriteReady) => ready.resolve(message),
  });
  const stop = () => {
    child.kill();
    return child.exited;
  };
  child.send(options);
  const failed = child.exited.then((code) => {
    throw new UserError(`the ${options.role} of the dual write ended with status ${code} before it was ready`);
  });
  // When the process ends later, nothing waits for this promise any more.
  failed.catch(() => {});
  const { url } = await Promise.race([ready.promise, failed]);
  return { name: options.role, kind: "dual-write", pid: child.pid, url, stop };
}
