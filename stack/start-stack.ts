/** Starts a planned stack: servers, then observers and services, then readiness and the test write. */
import type { Project } from "../contracts/project.ts";
import { toolToken } from "../platform/auth/development.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { type Addresses, addressesOf } from "./addresses.ts";
import { fillReplicas } from "./fill-replicas.ts";
import { availableObservers, observerSpec, tracingSettings } from "./observers.ts";
import type { UpOptions } from "./options.ts";
import { labelOf, type Plan, type PlannedObserver, type PlannedServer } from "./plan.ts";
import type { GroupMember, ProcessGroup } from "./process-group.ts";
import { serverSpec, serviceSpec } from "./process-specs.ts";
import { waitUntilReady } from "./readiness.ts";
import { readyReport } from "./report.ts";
import { smokeTest, smokeTestEntity } from "./smoke-test.ts";

const READY_TIMEOUT_MS = 180_000;
const SMOKE_TEST_TIMEOUT_MS = 60_000;

/** What a stack needs from the command that runs it. */
export interface UpDeps {
  /** Environment of the command; its settings are passed on to the services. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly project: Project;
  readonly print: (line: string) => void;
  /** When the user started the command, in milliseconds since 1970. */
  readonly requestedAtMs: number;
  /** Aborted to stop the stack. */
  readonly stopSignal: AbortSignal;
  /** Aborted to kill every process of the stack at once. */
  readonly killSignal: AbortSignal;
}

/** What {@link startStack} starts. */
export interface StackToStart {
  readonly plan: Plan;
  readonly options: UpOptions;
  /** Undefined: the services' default. */
  readonly partitions: number | undefined;
}

/**
 * Starts all processes of a stack and marks it as ready.
 *
 * @throws {UserError} when a process does not start or does not become ready in time.
 * @throws the stop signal's reason when it aborts.
 */
export async function startStack(group: ProcessGroup, stack: StackToStart, deps: UpDeps): Promise<void> {
  const { print, requestedAtMs, stopSignal } = deps;
  const { plan, options } = stack;
  const { data, detach } = options;
  // Fetches or builds the observers' programs while the servers start.
  const observersPromise = availableObservers(plan, { print: print, signal: stopSignal });
  observersPromise.catch(() => {}); // Awaited below; without this, an early rejection would end the process.
  const addresses = await startServers(group, plan, data, deps);
  const services = await startServices(group, stack, { addresses, observers: await observersPromise }, deps);
  await waitUntilReady(services, { timeoutMs: READY_TIMEOUT_MS, signal: stopSignal, print });
  const entity = smokeTestEntity(deps.project.entities);
  if (entity) print("all services are ready; sending a test write through …");
  const { LOCKSTEP_AUTH, LOCKSTEP_TOKEN } = readSettings({ ...deps.env, PORT: undefined });
  const token = options.auth ? await toolToken(undefined, data) : LOCKSTEP_TOKEN;
  const smokeTestOptions = { timeoutMs: SMOKE_TEST_TIMEOUT_MS, signal: stopSignal, token };
  // Before users write: a row that is in flight then would count as one that the replica lacks.
  const filling = fillReplicas({ data, env: deps.env, signal: stopSignal, print });
  const tested = await smokeTest(smokeTestTargets(services), smokeTestOptions, entity);
  await filling.checked;
  group.publishReady();
  const issuer = LOCKSTEP_AUTH === "jwt" ? (options.auth ? "development" : "external") : undefined;
  const seconds = (Date.now() - requestedAtMs) / 1000;
  print(readyReport({ members: group.members(), data, seconds, entity, tested, detached: detach, issuer }));
}

async function startServers(
  group: ProcessGroup,
  plan: Plan,
  dataDir: string,
  { print, stopSignal }: UpDeps,
): Promise<Addresses> {
  print(`starting ${plan.servers.length} servers: ${plan.servers.map(labelOf).join(", ")} …`);
  const servers = await group.start(
    plan.servers.map((planned) => ({ planned, spec: serverSpec(planned, plan, dataDir, print) })),
    stopSignal,
  );
  return addressesOf(
    servers.map(({ planned, supervised }) => ({ planned: planned as PlannedServer, url: supervised.url })),
    plan.external,
  );
}

/** Starts the observers and services together. @returns the services. */
async function startServices(
  group: ProcessGroup,
  { plan, options, partitions }: StackToStart,
  { addresses, observers }: { addresses: Addresses; observers: readonly PlannedObserver[] },
  deps: UpDeps,
): Promise<readonly GroupMember[]> {
  const { services, proxies } = plan;
  const { data, portBase, external } = options;
  const { print, stopSignal } = deps;
  print(`starting ${services.length} services: ${services.map(labelOf).join(", ")} …`);
  // Only `up` itself uses the token.
  const env = { ...deps.env, ...tracingSettings(observers, portBase), LOCKSTEP_TOKEN: undefined };
  const brokers = external.brokers ? undefined : plan.brokers;
  const settings = { dataDir: data, addresses, env, partitions, brokers, services, proxies };
  const members = await group.start(
    [
      ...observers.map((planned) => ({
        planned,
        spec: observerSpec(planned, { dataDir: data, portBase, services, project: deps.project, print }),
      })),
      ...services.map((planned) => ({ planned, spec: serviceSpec(planned, settings) })),
    ],
    stopSignal,
  );
  return members.slice(observers.length);
}

const smokeTestTargets = (services: readonly GroupMember[]) => ({
  gateway: services.find(({ planned }) => planned.kind === "gateway")?.supervised.url ?? "",
  replicas: services
    .filter(({ planned }) => planned.kind === "replica")
    .map(({ planned, spec, supervised }) => ({ name: planned.name, label: spec.label, url: supervised.url })),
});
