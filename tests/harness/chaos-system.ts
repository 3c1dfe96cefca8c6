/** A system of single servers, for tests of faults. */
import { join } from "node:path";
import type { FaultContext, PlantedRecord } from "../../chaos/fault.ts";
import type { Random } from "../../chaos/random.ts";
import type { System, SystemAddresses, SystemProcess } from "../../chaos/system.ts";
import type { Server } from "../../stack/servers/server.ts";
import { SupervisedProcess } from "../../stack/supervise.ts";
import { project } from "../project/index.ts";
import { temporaryFolder } from "./servers.ts";

/** Always chooses what comes first. */
export const firstChoice: Random = {
  int: (min) => min,
  chance: () => true,
  pick: (list) => {
    if (list.length === 0) throw new RangeError("the list is empty");
    return list[0]!;
  },
  fork: () => firstChoice,
};

/** A server that is restarted whenever it ends. */
export interface SupervisedServer extends AsyncDisposable {
  readonly url: string;
  readonly process: SystemProcess;
}

/** Starts a server under a supervisor, as a stack does. @throws whatever `start` throws. */
export async function superviseServer(
  name: string,
  kind: SystemProcess["kind"],
  start: (dir: string, onLaunch: (server: Server) => void) => Promise<Server>,
): Promise<SupervisedServer> {
  const dir = temporaryFolder(name);
  const spec = {
    label: name,
    logFile: join(dir, "log"),
    start: (_: AbortSignal, onLaunch: (server: Server) => void) => start(dir, onLaunch),
  };
  const events = { onChange: () => {}, print: () => {}, isHeld: () => false };
  const supervised = new SupervisedProcess(spec, events, new AbortController().signal);
  const { url } = await supervised.started;
  return {
    url,
    process: {
      name,
      kind,
      hold: undefined,
      identity: async () => supervised.server && String(supervised.server.pid),
      isReady: async () => supervised.server !== undefined,
      async signal(signal) {
        process.kill(supervised.server!.pid, signal);
      },
    },
    [Symbol.asyncDispose]: () => supervised.stop("SIGKILL"),
  };
}

/** A system that has these addresses and processes only. */
export const systemOf = (addresses: Partial<SystemAddresses>, processes: readonly SystemProcess[] = []): System => ({
  kind: "embedded",
  project,
  addresses: {
    gateway: "",
    replicas: new Map(),
    sourceDatabase: "",
    replicaDatabases: new Map(),
    brokers: [],
    redis: undefined,
    ...addresses,
  },
  processes,
  connections: [],
  rollingRestart: undefined,
  disks: [],
  resync: async () => ({ equal: true, text: "" }),
  conditions: async () => [],
  verify: async () => ({ verdict: "equal" as const, text: "" }),
  keepEvidence: async () => {},
  [Symbol.asyncDispose]: async () => {},
});

/** The context of a fault that always chooses what comes first, and the records that it has planted. */
export function faultContext(
  system: System,
  subject: string,
  ids: readonly string[] = [],
): { context: FaultContext; planted: PlantedRecord[] } {
  const planted: PlantedRecord[] = [];
  const context = {
    system,
    subject,
    random: firstChoice,
    ids: () => ids,
    planted: (one: PlantedRecord) => planted.push(one),
  };
  return { context, planted };
}
