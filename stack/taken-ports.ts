import { UsageError } from "./options.ts";
import type { Plan } from "./plan.ts";
import { isFree } from "./ports.ts";
import { labelOf } from "./start-part.ts";

/**
 * Makes sure that nobody listens on a port of the plan, before anything is started.
 *
 * @throws {UsageError} names each port that is taken, what it was for, and what to do.
 */
export async function refuseTakenPorts({ servers, services }: Plan): Promise<void> {
  const wanted = [...servers, ...services].flatMap((planned) => [
    { port: planned.port, what: labelOf(planned) },
    ...("controllerPort" in planned
      ? [{ port: planned.controllerPort, what: `${labelOf(planned)}'s controller` }]
      : []),
  ]);
  const taken = await Promise.all(
    wanted.map(async (w) => ((await isFree(w.port)) ? [] : [`${w.port} (for ${w.what})`])),
  );
  const list = taken.flat();
  if (list.length > 0)
    throw new UsageError(
      `${list.length === 1 ? "port" : "ports"} ${list.join(", ")} already in use: stop what uses ${list.length === 1 ? "it" : "them"}, or choose other ports with --port-base N`,
    );
}
