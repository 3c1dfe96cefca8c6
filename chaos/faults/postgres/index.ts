/** All faults of PostgreSQL. */
import type { Fault } from "../../fault.ts";
import { restarts } from "./restart.ts";
import { sessionFaults } from "./sessions.ts";
import { transactionFaults } from "./transactions.ts";

/** Each acts on the source or on one replica's database. */
export const postgresFaults: readonly Fault[] = [...restarts, ...sessionFaults, ...transactionFaults];
