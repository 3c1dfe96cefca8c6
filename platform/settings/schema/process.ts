/** Settings: the process of a service and its HTTP server. */
import { hostname } from "node:os";
import { z } from "zod";
import { optionalPort, setting, text, wholeNumber } from "./setting.ts";

/** Ports, names and time limits of one process. */
export const processSettings = {
  LOCKSTEP_CONFIG: setting(
    text(),
    "File of the project: its entities and replicas. Default: lockstep.config.ts in the working directory. --config names another",
  ),
  PORT: setting(wholeNumber(0, 65535, 8080), "Port of the HTTP server; 0 selects a free port"),
  LOCKSTEP_SHARED_PORT: setting(
    optionalPort(),
    "Second port that several instances on one machine share (SO_REUSEPORT, Linux). It responds while one of them restarts",
  ),
  LOCKSTEP_HOST: setting(
    z.string().min(1).default("127.0.0.1"),
    "Address that the HTTP server listens on; 0.0.0.0 lets other machines connect",
  ),
  LOCKSTEP_INSTANCE: setting(
    z
      .string()
      .transform((name) => name.replace("{hostname}", () => hostname().toLowerCase()))
      .refine((name) => /^[a-z0-9][a-z0-9.-]{0,62}$/.test(name), "must be 1 to 63 of a-z, 0-9, dot, hyphen")
      .optional(),
    "Name of this instance, unique within its service and the same after a restart. With a name, an instance gets its partitions back " +
      "at once after a restart. {hostname} stands for the host's name. Default: the host's name, in logs and metrics only",
  ),
  LOCKSTEP_STATE_DIR: setting(
    text(),
    "Folder in which the stream stores the versions that it has seen. Without it, the stream reads them from the log at each start",
  ),
  LOCKSTEP_MAX_BODY_BYTES: setting(wholeNumber(1024, 10_485_760, 262_144), "Largest request body, in bytes"),
  LOCKSTEP_MAX_TOTAL_BODY_BYTES: setting(
    wholeNumber(10_485_760, 4_294_967_296, 33_554_432),
    "Largest size of all request bodies that a gateway processes at the same time, in bytes. More are rejected with 503. " +
      "A gateway needs about five times as much memory for them",
  ),
  LOCKSTEP_DRAIN_MS: setting(
    wholeNumber(0, 60_000, 3_000),
    "Longest time that a stopping service still accepts requests while it moves clients and load balancers to other instances, in " +
      "milliseconds. It ends earlier when no requests arrive",
  ),
  LOCKSTEP_SHUTDOWN_MS: setting(
    wholeNumber(0, 600_000, 10_000),
    "Longest time that a stopping service may take to finish its work, in milliseconds. After it the process exits",
  ),
} as const;
