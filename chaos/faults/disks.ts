/** Faults of the servers' disks. */
import type { Fault } from "../fault.ts";
import { processOf, untilReady } from "./processes.ts";

/** All faults of disks. */
export const diskFaults: readonly Fault[] = [
  {
    name: "disk-full",
    summary: "The disk of a PostgreSQL server or broker is full, until there is room again.",
    lastsMs: [3_000, 15_000],
    subjects: ({ disks }) => disks.map(({ name }) => name),
    inject: async ({ system, subject }) => {
      const disk = system.disks.find(({ name }) => name === subject);
      if (!disk) throw new Error(`there is no disk of ${subject}`);
      await disk.fill();
      return async () => {
        await disk.clear();
        await untilReady(processOf(system, subject));
      };
    },
  },
];
