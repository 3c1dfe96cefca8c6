/** Two relays that both believe that they lead. */
import postgres from "postgres";
import type { Fault } from "../fault.ts";
import type { System } from "../system.ts";
import { processOf, untilReady } from "./processes.ts";

const relaysOf = ({ processes }: System): string[] =>
  processes.filter(({ name }) => /^relay( \d+)?$/.test(name)).map(({ name }) => name);

/** The name of the relay that leads, by the lease in the source. @throws {Error} when no relay has led yet. */
async function leaderOf({ addresses }: System): Promise<string> {
  const sql = postgres(addresses.sourceDatabase, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    const [lease] = await sql<{ holder: string }[]>`select holder from lockstep.relay_lease`;
    const instance = /^(\d+) \(pid/.exec(lease?.holder ?? "")?.[1];
    if (!instance) throw new Error(`the lease of the relays is held by ${lease?.holder ?? "none"}`);
    return instance === "1" ? "relay" : `relay ${instance}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The faults of relays. */
export const relayFaults: readonly Fault[] = [
  {
    name: "two-relays",
    summary:
      "The relay that leads gets SIGSTOP until another one leads, and then SIGCONT: two relays believe that they lead.",
    // A standby takes over when the leader's heartbeat is five seconds old.
    lastsMs: [7_000, 10_000],
    subjects: (system) => (relaysOf(system).length > 1 ? ["relays"] : []),
    inject: async ({ system }) => {
      const leader = processOf(system, await leaderOf(system));
      await leader.signal("SIGSTOP");
      return async () => {
        // It may have been killed meanwhile, by another fault.
        await leader.signal("SIGCONT").catch(() => {});
        await untilReady(leader);
      };
    },
  },
];
