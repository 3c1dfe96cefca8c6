/** Which system a command line names. */
import { loadProject } from "../../platform/project-file.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import type { Fault } from "../fault.ts";
import { productOf } from "../product.ts";
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

/**
 * Opens the system with the project that LOCKSTEP_CONFIG names.
 *
 * @throws {UsageError} when a flag or setting is wrong.
 * @throws {UserError} when the system does not run or start.
 */
export async function openSystem(
  flags: SystemFlags,
  faults: readonly Fault[],
  print: (line: string) => void,
): Promise<System> {
  const { brokers, instances, data, compose, docker, own } = flags;
  const project = await loadProject();
  productOf(project);
  if (data !== undefined) return attachEmbedded(project, data);
  if (compose) return attachCompose(project, { docker, secrets: process.env.LOCKSTEP_SECRETS });
  if (own) return attachOwn(project, readSettings(process.env));
  const hasSmallDisks = faults.some(({ name }) => name === "disk-full");
  return startEmbedded({ project, brokers: brokers === "3" ? 3 : 1, instances, hasSmallDisks, print });
}

/** The flags that name the same system again. */
export function flagsOf({ brokers, instances, data, compose, docker, own }: SystemFlags): string {
  if (data !== undefined) return `--data ${data}`;
  if (compose) return docker === "docker" ? "--compose" : `--compose --docker "${docker}"`;
  if (own) return "--own";
  return `--brokers ${brokers ?? 1} --instances ${instances}`;
}
