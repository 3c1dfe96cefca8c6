/** Checks that every port of a plan is free before anything starts. */
import { UsageError } from "./options.ts";
import { labelOf, type Plan } from "./plan.ts";
import { isFree } from "./ports.ts";

/** Number of ports to list. A second stack on the same ports would conflict on all of them. */
const MAX_LISTED = 3;

/** @throws {UsageError} when ports of the plan are in use: which, what they are for, and what to do. */
export async function requireFreePorts({ servers, services, observers }: Plan): Promise<void> {
  const ports = [...servers, ...services, ...observers].flatMap((planned) => [
    { port: planned.port, use: labelOf(planned) },
    ...("sharedPort" in planned && planned.instance === 1 ? [{ port: planned.sharedPort, use: planned.name }] : []),
    ...("controllerPort" in planned ? [{ port: planned.controllerPort, use: `${labelOf(planned)}'s controller` }] : []),
  ]);
  const free = await Promise.all(ports.map(({ port }) => isFree(port)));
  const taken = ports.filter((_, i) => !free[i]).map(({ port, use }) => `${port} (for ${use})`);
  if (taken.length === 0) return;
  const listed = taken.slice(0, MAX_LISTED).join(", ");
  const more = taken.length > MAX_LISTED ? ` and ${taken.length - MAX_LISTED} more` : "";
  const [subject, them] = taken.length === 1 ? [`port ${listed} is`, "it"] : [`ports ${listed}${more} are`, "them"];
  throw new UsageError(`${subject} already in use: stop what uses ${them}, or choose other ports with --port-base N`);
}
