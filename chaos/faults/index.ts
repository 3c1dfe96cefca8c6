/** All faults, in the order in which `--list` and docs/operate/chaos.md show them. */
import type { Fault } from "../fault.ts";
import { processFaults } from "./processes.ts";

/** Every fault. The order is part of a seed's meaning: a new fault changes the schedules. */
export const faults: readonly Fault[] = [...processFaults];
