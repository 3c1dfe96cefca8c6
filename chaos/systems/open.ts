/** Which system a command line names. */
import { UserError } from "../../contracts/errors.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import type { Fault } from "../fault.ts";
import type { System } from "../system.ts";
import { attachCompose } from "./compose.ts";
import { attachEmbedded, startEmbedded } from "./embedded.ts";
import { attachOwn } from "./own.ts";

/** Flags that choose a system. Without any, chaos starts a stack. */
export interface SystemFlags {
  readonly brokers?: "1" | "3";
  readonly instances: string;
  readonly data?: string;
  readonly compose?: boolean;
  readonly docker: string;
  readonly own?: boolean;
}

/** @throws {UserError} when two flags exclude each other, or the system does not run or start. */
export async function openSystem(
  flags: SystemFlags,
  faults: readonly Fault[],
  print: (line: string) => void,
): Promise<System> {
  const { brokers, instances, data, compose, docker, own } = flags;
  const chosen = [brokers && "--brokers", data && "--data", compose && "--compose", own && "--own"].filter(Boolean);
  if (chosen.length > 1) throw new UserError(`${chosen.join(" and ")} exclude each other`);
  if (data !== undefined) return attachEmbedded(data);
  if (compose) return attachCompose({ docker, secrets: process.env.LOCKSTEP_SECRETS });
  if (own) return attachOwn(readSettings(process.env));
  const hasSmallDisks = faults.some(({ name }) => name === "disk-full");
  return startEmbedded({ brokers: brokers === "3" ? 3 : 1, instances, hasSmallDisks, print });
}

/** The flags that name the same system again. */
export function flagsOf({ brokers, instances, data, compose, own }: SystemFlags): string {
  if (data !== undefined) return `--data ${data}`;
  if (compose) return "--compose";
  if (own) return "--own";
  return `--brokers ${brokers ?? 1} --instances ${instances}`;
}
