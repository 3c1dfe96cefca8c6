import { UsageError } from "./options.ts";
import type { Plan } from "./plan.ts";
import { isFree } from "./ports.ts";
import { labelOf } from "./start-part.ts";

/** So many are named; whoever runs a second stack need not read twelve. */
const TOLD = 3;

/**
 * Makes sure that nobody listens on a port of the plan, before anything is started.
 *
 * @throws {UsageError} names the ports that are taken, what it was for, and what to do.
 */
export async function refuseTakenPorts({ servers, services, observers }: Plan): Promise<void> {
  const wanted = [...servers, ...services, ...observers].flatMap((planned) => [
    { port: planned.port, what: labelOf(planned) },
    ...("sharedPort" in planned && planned.instance === 1 ? [{ port: planned.sharedPort, what: planned.name }] : []),
    ...("controllerPort" in planned
      ? [{ port: planned.controllerPort, what: `${labelOf(planned)}'s controller` }]
      : []),
  ]);
  const taken = await Promise.all(
    wanted.map(async (w) => ((await isFree(w.port)) ? [] : [`${w.port} (for ${w.what})`])),
  );
  const list = taken.flat();
  if (list.length === 0) return;
  const told = list.slice(0, TOLD).join(", ");
  const more = list.length > TOLD ? ` and ${list.length - TOLD} more` : "";
  const [ports, them] = list.length === 1 ? ["port", "it"] : ["ports", "them"];
  throw new UsageError(
    `${ports} ${told}${more} already in use: stop what uses ${them}, or choose other ports with --port-base N`,
  );
}
