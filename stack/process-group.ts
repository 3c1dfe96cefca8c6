/** All supervised processes of a stack, and the state file that lists them. */
import { isHeld } from "./hold.ts";
import type { ExternalServer, PlannedObserver, PlannedServer, PlannedService } from "./plan.ts";
import { serviceUrl } from "./process-specs.ts";
import { identityOf } from "./processes.ts";
import { type StateEntry, writeState } from "./state.ts";
import { type ProcessSpec, SupervisedProcess } from "./supervise.ts";

type Planned = PlannedServer | PlannedService | PlannedObserver;

/** An entry of the plan, and how to run it. */
export interface Startable {
  readonly planned: Planned;
  readonly spec: ProcessSpec;
}

/** An entry of the plan that runs. */
export interface GroupMember extends Startable {
  readonly supervised: SupervisedProcess;
}

/** The processes of one stack. */
export interface ProcessGroup {
  readonly members: () => readonly GroupMember[];
  /**
   * Starts processes at the same time.
   *
   * @throws {Error} the first failure, or the signal's reason, when all of them have settled.
   */
  start(wave: readonly Startable[], signal: AbortSignal): Promise<readonly GroupMember[]>;
  /** Marks the stack as ready in the state file. */
  publishReady(): void;
  /** Stops all processes, services before servers. @param signal sent at once; default: a clean stop. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const isService = ({ planned }: Startable): boolean => "command" in planned;

/** Creates an empty group. It writes the state file of `dataDir` after each change. */
export function createProcessGroup(
  dataDir: string,
  external: readonly ExternalServer[],
  print: (line: string) => void,
): ProcessGroup {
  const members: GroupMember[] = [];
  const services = () => members.filter(isService);
  const servers = () => members.filter((member) => !isService(member));
  const supervisor = { pid: process.pid, identity: identityOf(process.pid) };
  let ready = false;
  const publish = () => {
    // Services first: `status` prints the entries in this order.
    const entries = [...[...services(), ...servers()].map(entryOf), ...external.map(externalEntry)];
    writeState(dataDir, { supervisor, ready, entries });
  };
  const add = (startable: Startable, signal: AbortSignal): GroupMember => {
    const supervised = new SupervisedProcess(
      startable.spec,
      { print, onChange: publish, isHeld: () => isHeld(dataDir, startable.spec.label) },
      signal,
    );
    const member = { ...startable, supervised };
    members.push(member);
    return member;
  };

  return {
    members: () => members,
    start: async (wave, signal) => {
      const startedAt = performance.now();
      const failed = new AbortController();
      const waveSignal = AbortSignal.any([signal, failed.signal]);
      const started = wave.map((startable) => add(startable, waveSignal));
      await Promise.all(
        started.map(async (member) => {
          try {
            await member.supervised.started;
            if (!isService(member)) print(`${member.spec.label} started after ${secondsSince(startedAt)}`);
          } catch (error) {
            // Stops the rest of the wave. Only the first reason counts.
            failed.abort(error);
          }
        }),
      );
      signal.throwIfAborted();
      failed.signal.throwIfAborted();
      return started;
    },
    publishReady: () => {
      ready = true;
      publish();
    },
    stop: async (signal) => {
      for (const wave of [services(), servers()])
        await Promise.all(wave.map(({ supervised }) => supervised.stop(signal)));
    },
  };
}

const secondsSince = (startedAt: number): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;

function entryOf({ planned, supervised }: GroupMember): StateEntry {
  const pid = supervised.server?.pid;
  return {
    name: planned.name,
    kind: planned.kind,
    instance: planned.instance,
    pid: pid ?? null,
    identity: pid === undefined ? undefined : identityOf(pid),
    url: supervised.url,
    ...sharedUrlOf(planned),
    restarts: supervised.restarts,
    crashedAt: supervised.crashedAt,
  };
}

const sharedUrlOf = (planned: Planned): { sharedUrl?: string } =>
  "sharedPort" in planned && planned.sharedPort ? { sharedUrl: serviceUrl({ port: planned.sharedPort }) } : {};

const externalEntry = ({ name, kind, instance, url }: ExternalServer): StateEntry => ({
  name,
  kind,
  instance,
  pid: null,
  isExternal: true,
  url,
  restarts: 0,
  crashedAt: [],
});
