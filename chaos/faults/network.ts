/** Faults of the network between one service and one server. */
import type { ConditionName } from "../../contracts/conditions.ts";
import type { Fault, FaultContext } from "../fault.ts";
import type { Connection, Direction, System } from "../system.ts";
import { processOf, untilReady } from "./processes.ts";

const subjects = ({ connections }: System): string[] => connections.map(({ name }) => name);

/**
 * What is shown while a service has lost a server that it needs. The others have a second instance or broker that takes
 * over, or nothing waits for them.
 */
function shows(connection: string): readonly ConditionName[] | undefined {
  if (/^gateway( \d+)? → gateway-db$/.test(connection)) return ["source-unavailable", "writes-failing", "service-down"];
  if (/^([a-z]+)( \d+)? → \1-db$/.test(connection)) return ["database-unavailable", "service-down"];
  if (/^(?!console)[a-z]+( \d+)? → redis$/.test(connection)) return ["cache-off", "service-down"];
  return undefined;
}

/** Creates a fault of one connection. @param cause starts it; the end heals the connection. */
const connectionFault = (
  what: Pick<Fault, "name" | "summary" | "lastsMs" | "shows">,
  cause: (connection: Connection, context: FaultContext) => void,
): Fault => ({
  ...what,
  subjects,
  inject: async (context) => {
    const { system, subject } = context;
    const connection = system.connections.find(({ name }) => name === subject);
    if (!connection) throw new Error(`there is no connection ${subject}`);
    cause(connection, context);
    return async () => {
      connection.heal();
      // A service may have ended because of the fault. Its supervisor starts it again.
      await untilReady(processOf(system, subject.split(" → ")[0] ?? ""));
    };
  },
});

const networkLost: Fault = {
  name: "network-lost",
  summary: "A container is cut off from all others, and gets its network back.",
  lastsMs: [2_000, 15_000],
  subjects: ({ processes }) => processes.filter(({ disconnect }) => disconnect).map(({ name }) => name),
  inject: async ({ system, subject }) => {
    const process = processOf(system, subject);
    const reconnect = await process.disconnect!();
    return async () => {
      await reconnect();
      await untilReady(process);
    };
  },
};

/** All faults of connections. */
export const networkFaults: readonly Fault[] = [
  connectionFault(
    {
      name: "connection-delay",
      summary: "A connection of one service to one server is slow: each chunk takes 20 to 400 ms longer.",
      lastsMs: [2_000, 15_000],
    },
    (connection, { random }) => connection.delay(random.int(20, 400)),
  ),
  connectionFault(
    {
      name: "connection-reset",
      summary: "The open connections of one service to one server are reset (RST) once.",
      lastsMs: [0, 0],
    },
    (connection) => connection.reset(),
  ),
  connectionFault(
    {
      name: "connection-refused",
      summary: "One service cannot connect to one server: its connections are reset, and so is each new one.",
      lastsMs: [1_000, 15_000],
      shows,
    },
    (connection) => connection.refuse(),
  ),
  connectionFault(
    {
      name: "one-way-cut",
      summary: "Nothing arrives any more in one direction between one service and one server.",
      lastsMs: [1_000, 15_000],
      shows,
    },
    (connection, { random }) => connection.silence(random.pick<Direction>(["request", "response"])),
  ),
  connectionFault(
    {
      name: "half-open",
      summary: "The open connections of one service to one server forward nothing more, while new ones work.",
      lastsMs: [1_000, 15_000],
    },
    (connection) => connection.freeze(),
  ),
  networkLost,
];
