/** Conditions that the services report about themselves, and services that do not respond. Pure. */
import type { Project } from "../../contracts/project.ts";
import type { ServiceHealth } from "../status/service-health.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";

/** Services without which a system is incomplete. The console is optional. */
const requiredServices = ({ replicaNames }: Pick<Project, "replicaNames">): readonly string[] => [
  "gateway",
  "relay",
  "stream",
  ...replicaNames,
];

/**
 * All conditions of the services.
 *
 * @param services every instance whose address is known.
 */
export function conditionsOfServices(
  services: readonly ServiceHealth[],
  project: Pick<Project, "replicaNames">,
): readonly ActiveCondition[] {
  const missing = requiredServices(project).filter((name) => !services.some((service) => service.name === name));
  return [
    ...services.flatMap(conditionsOf),
    ...missing.map((name) =>
      activeCondition(
        "status-unknown",
        name,
        "the address of this service is not known, so its health is not either",
        null,
        `add ${name}=http://… to LOCKSTEP_SERVICE_URLS`,
      ),
    ),
  ];
}

function conditionsOf(service: ServiceHealth): readonly ActiveCondition[] {
  const { name, instance, health, reason = "no reason is known", conditions } = service;
  const where = instance > 1 ? `${name} ${instance}` : name;
  if (health === "down") return [activeCondition("service-down", where, reason)];
  const reported = conditions.map(({ condition, problem, since, remedy }) =>
    activeCondition(condition, where, problem, since ?? null, remedy),
  );
  // The console repeats what it read from the other parts. Whoever reads them too knows it at first hand.
  if (name === "console") return reported.filter(({ condition }) => condition === "signing-keys-unavailable");
  // Not ready, for a reason that this process does not know: an older or newer version, or a proxy.
  if (health === "not ready" && !conditions.some(({ blocksReadiness }) => blocksReadiness))
    return [...reported, activeCondition("service-down", where, `it is not ready: ${reason}`)];
  return reported;
}
