/** `bun run up`: the whole stack, from what lies on the disk to a canary that was seen everywhere, and then for as long as it is wanted. */
import { replicaNames } from "../contracts/entities/index.ts";
import { UserError } from "../contracts/errors.ts";
import { developmentSettings, ensureDevelopmentKey, toolToken } from "../platform/auth/development.ts";
import { rejectUnauthenticatedBind } from "../platform/auth/guard.ts";
import { readSettings, SettingsError } from "../platform/settings/settings.ts";
import { makeDataFolder, rememberShape, removeData, shapeFor } from "./data-folder.ts";
import { stopLeftovers } from "./leftovers.ts";
import { observerPart, presentObservers, tracingSettings } from "./observers.ts";
import { type UpOptions, UsageError } from "./options.ts";
import { type Plan, type PlannedObserver, type PlannedServer, planStack } from "./plan.ts";
import { createProcessGroup, type GroupMember, type ProcessGroup } from "./process-group.ts";
import { identityOf } from "./processes.ts";
import { untilReady } from "./readiness.ts";
import { readyReport } from "./report.ts";
import { canaryEntity, smokeTest } from "./smoke-test.ts";
import { type Addresses, addressesOf, labelOf, serverPart, servicePart } from "./start-part.ts";
import { becomeSupervisor, removeState, retire, runningSupervisor } from "./state.ts";
import { refuseTakenPorts } from "./taken-ports.ts";

const READY_WITHIN_MS = 180_000;
const CANARY_WITHIN_MS = 60_000;

/** Another supervisor works on the same data folder. */
export class AlreadyRunningError extends UserError {
  constructor(data: string, pid: number) {
    super(
      `a stack already runs on ${data} (supervisor pid ${pid}): see it with bun run status, stop it with bun run down`,
      "ALREADY_RUNNING",
    );
  }
}

/** @throws {AlreadyRunningError} when there is a supervisor on the data folder. */
export function refuseSecond(data: string): void {
  const other = runningSupervisor(data);
  if (other) throw new AlreadyRunningError(data, other.pid);
}

export interface UpDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly say: (line: string) => void;
  /** When the person asked for it, in milliseconds since 1970. */
  readonly askedAt: number;
  /** Aborted to stop the stack. */
  readonly ending: AbortSignal;
  /** Aborted to stop it at once, without good-byes. */
  readonly killing: AbortSignal;
}

/**
 * Runs a stack until `ending`. Whatever happens, nothing that it started runs any more when this settles.
 *
 * @throws {AlreadyRunningError}
 * @throws {UsageError} when a setting is wrong, flags and data do not fit, or a port is taken.
 * @throws {Error} when something could not be started, or did not become ready.
 */
export async function runStack(options: UpOptions, asked: UpDeps): Promise<void> {
  const { data, auth, external } = options;
  const around = auth ? { ...asked, env: { ...asked.env, ...developmentSettings(data) } } : asked;
  refuseWrongSettings(around.env, { ownIssuer: auth, ownBrokers: external.brokers === undefined });
  makeDataFolder(data);
  const other = becomeSupervisor(data, { pid: process.pid, identity: identityOf(process.pid) });
  if (other) throw new AlreadyRunningError(data, other.pid);
  try {
    await stopLeftovers(data, around.say);
    if (options.fresh) {
      removeData(data);
      makeDataFolder(data);
    }
    if (auth) await ensureDevelopmentKey(data);
    await runPlan(options, around);
  } finally {
    removeState(data);
    retire(data);
  }
}

/** The services would refuse them too, but each of them, and only when all servers run. */
function refuseWrongSettings(
  env: UpDeps["env"],
  { ownIssuer, ownBrokers }: { ownIssuer: boolean; ownBrokers: boolean },
): void {
  try {
    // Every service has a port of its own here, whatever the caller's says.
    const settings = readSettings({ ...env, PORT: undefined });
    rejectUnauthenticatedBind(settings);
    if (settings.LOCKSTEP_AUTH === "jwt" && !ownIssuer && settings.LOCKSTEP_TOKEN === undefined)
      throw new SettingsError([
        "LOCKSTEP_TOKEN: where LOCKSTEP_AUTH=jwt, up needs one that may write, for its first write",
      ]);
    if (ownBrokers && (settings.KAFKA_TLS || settings.KAFKA_SASL_MECHANISM))
      throw new SettingsError([
        "KAFKA_TLS and KAFKA_SASL_MECHANISM: the stack's own brokers know neither; set KAFKA_BROKERS, or leave them out",
      ]);
  } catch (error) {
    throw error instanceof SettingsError ? new UsageError(error.message) : error;
  }
}

async function runPlan(options: UpOptions, around: UpDeps): Promise<void> {
  const shape = shapeFor(options);
  const plan = planStack(options, shape.brokers, replicaNames);
  await refuseTakenPorts(plan);
  rememberShape(options.data, shape);
  const crew = createProcessGroup(options.data, plan.external, around.say);
  around.killing.addEventListener("abort", () => void crew.stop("SIGKILL"));
  try {
    await bringUp(crew, plan, options, shape.partitions, around);
    await aborted(around.ending);
    around.say("stopping …");
  } finally {
    await crew.stop(around.killing.aborted ? "SIGKILL" : undefined);
  }
  around.say(`stopped; the data is kept in ${options.data}`);
}

async function bringUp(
  crew: ProcessGroup,
  plan: Plan,
  options: UpOptions,
  partitions: number | undefined,
  around: UpDeps,
): Promise<void> {
  const { say, askedAt, ending } = around;
  const { data, detach } = options;
  // What has to be fetched or built for them is, while the servers start.
  const looking = presentObservers(plan, { say, signal: ending });
  looking.catch(() => {}); // told where it is waited for
  const addresses = await startServers(crew, plan, data, around);
  const observers = await looking;
  const services = await startServices(crew, { plan, options, addresses, observers, partitions }, around);
  await untilReady(services, { timeoutMs: READY_WITHIN_MS, signal: ending, say });
  if (canaryEntity()) say("all services are ready; sending a canary write through …");
  const { LOCKSTEP_AUTH, LOCKSTEP_TOKEN } = readSettings({ ...around.env, PORT: undefined });
  const token = options.auth ? await toolToken(undefined, data) : LOCKSTEP_TOKEN;
  await smokeTest(canarySites(services), { timeoutMs: CANARY_WITHIN_MS, signal: ending, token });
  crew.announceReady();
  const issuer = LOCKSTEP_AUTH === "jwt" ? (options.auth ? "development" : "real") : undefined;
  const seconds = (Date.now() - askedAt) / 1000;
  say(readyReport({ members: crew.members(), data, seconds, detached: detach, issuer }));
}

async function startServers(crew: ProcessGroup, plan: Plan, data: string, { say, ending }: UpDeps): Promise<Addresses> {
  say(`starting ${plan.servers.length} servers: ${plan.servers.map(labelOf).join(", ")} …`);
  const servers = await crew.start(
    plan.servers.map((planned) => ({ planned, part: serverPart(planned, plan, data, say) })),
    ending,
  );
  return addressesOf(
    servers.map(({ planned, kept }) => ({ planned: planned as PlannedServer, url: kept.url() })),
    plan.external,
  );
}

interface ServicesToStart {
  readonly plan: Plan;
  readonly options: UpOptions;
  readonly addresses: Addresses;
  readonly observers: readonly PlannedObserver[];
  readonly partitions: number | undefined;
}

/** Starts them with what watches them, if anything does. @returns the services. */
async function startServices(
  crew: ProcessGroup,
  { plan, options, addresses, observers, partitions }: ServicesToStart,
  around: UpDeps,
): Promise<readonly GroupMember[]> {
  const { services } = plan;
  const { data, portBase, external } = options;
  const { say, ending } = around;
  say(`starting ${services.length} services: ${services.map(labelOf).join(", ")} …`);
  // The token is up's own: no service needs it.
  const env = { ...around.env, ...tracingSettings(observers, portBase), LOCKSTEP_TOKEN: undefined };
  const brokers = external.brokers ? undefined : plan.brokers;
  const hired = await crew.start(
    [
      ...observers.map((planned) => ({ planned, part: observerPart(planned, { data, portBase, services, say }) })),
      ...services.map((planned) => ({
        planned,
        part: servicePart(planned, { data, addresses, env, partitions, brokers, services }),
      })),
    ],
    ending,
  );
  return hired.slice(observers.length);
}

const canarySites = (services: readonly GroupMember[]) => ({
  gateway: services.find(({ planned }) => planned.kind === "gateway")?.kept.url() ?? "",
  replicas: services
    .filter(({ planned }) => planned.kind === "replica")
    .map(({ part, kept }) => ({ label: part.label, url: kept.url() })),
});

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
