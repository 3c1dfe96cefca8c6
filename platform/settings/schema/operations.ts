/** Settings: operations and the console. */
import { z } from "zod";
import { flag, namedUrls, setting, text, url, wholeNumber } from "./setting.ts";

/** What operations connect to, and what the console may do. */
export const operations = {
  LOCKSTEP_SOURCE_DATABASE_URL: setting(
    url(/^postgres(ql)?$/, "postgres://user:password@host:5432/database"),
    "PostgreSQL of the source, for operations on a system that `bun run up` did not start",
    true,
  ),
  LOCKSTEP_REPLICA_DATABASE_URLS: setting(
    namedUrls(/^postgres(ql)?:\/\//, "replica=postgres://…"),
    "PostgreSQL of each replica, for the same operations: catalog=postgres://…,storefront=postgres://…",
    true,
  ),
  LOCKSTEP_SERVICE_URLS: setting(
    namedUrls(/^https?:\/\//, "service=http://…"),
    "Services whose health the same operations show: gateway=http://…,stream=http://…. Instances of a service share its name",
  ),
  LOCKSTEP_VERIFY_EVERY_S: setting(
    wholeNumber(0, 2_592_000, 900),
    "Interval at which the console verifies all replicas, in seconds; 0 disables it",
  ),
  LOCKSTEP_VERIFY_SHARE_PERCENT: setting(
    wholeNumber(1, 100, 5),
    "Share of its time that such a verification works, in percent; the rest of the time it pauses",
  ),
  LOCKSTEP_CONSOLE_OPERATIONS: setting(
    flag(false),
    "Allow changes from the console's page: write entities, pause, replay, repair, rebuild, inject failures. Enable it only on a " +
      "console that nobody else can reach",
  ),
  LOCKSTEP_CONSOLE_HOSTS: setting(
    z
      .string()
      .optional()
      .transform((list) => list?.split(",").map((host) => host.trim().toLowerCase()) ?? [])
      .refine(
        (list) => list.every((host) => /^[a-z0-9.-]{1,253}$/.test(host)),
        "must be host names, separated by commas",
      ),
    "Host names of the console besides localhost and IP addresses, separated by commas. It rejects all others (DNS rebinding)",
  ),
  LOCKSTEP_STACK_DATA: setting(
    text(),
    "Data folder of the console's stack, set by bun run up. With it, the console can kill processes to show how they recover",
  ),
} as const;
