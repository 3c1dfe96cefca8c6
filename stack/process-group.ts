/** All that a stack keeps running, and the state file that tells of it. */
import type { External, PlannedObserver, PlannedServer, PlannedService } from "./plan.ts";
import { identityOf } from "./processes.ts";
import { serviceUrl } from "./start-part.ts";
import { type Entry, writeState } from "./state.ts";
import { keepRunning, type ProcessSpec, type SupervisedProcess } from "./supervise.ts";

type Planned = PlannedServer | PlannedService | PlannedObserver;

/** One thing that is kept running. */
export interface GroupMember {
  readonly planned: Planned;
  readonly part: ProcessSpec;
  readonly kept: SupervisedProcess;
}

export interface ProcessGroup {
  readonly members: () => readonly GroupMember[];
  /** Starts a wave of parts at once. Rejects with the first failure, when all of the wave have settled. */
  start(wave: readonly { planned: Planned; part: ProcessSpec }[], signal: AbortSignal): Promise<readonly GroupMember[]>;
  /** Tells readers of the state file that the stack is ready. */
  announceReady(): void;
  /** Ends all, services first. Given a signal, at once with that one. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const isService = ({ planned }: GroupMember): boolean => "verb" in planned;

/** A crew for a data folder; nobody is in it yet. */
export function createProcessGroup(
  data: string,
  external: readonly External[],
  say: (line: string) => void,
): ProcessGroup {
  const members: GroupMember[] = [];
  const services = () => members.filter(isService);
  const servers = () => members.filter((member) => !isService(member));
  let ready = false;
  const self = { pid: process.pid, identity: identityOf(process.pid) };
  const publish = () => {
    // Services first: that is what a reader of `status` looks for.
    const entries = [...[...services(), ...servers()].map(entryOf), ...external.map(externalEntry)];
    writeState(data, { supervisor: self, ready, entries });
  };

  const take = (planned: Planned, part: ProcessSpec, signal: AbortSignal): GroupMember => {
    const kept = keepRunning(part, { say, changed: publish }, signal);
    const member = { planned, part, kept };
    members.push(member);
    return member;
  };

  return {
    members: () => members,
    start: async (wave, signal) => {
      const start = performance.now();
      const failed = new AbortController();
      const either = AbortSignal.any([signal, failed.signal]);
      const hired = wave.map(({ planned, part }) => take(planned, part, either));
      await Promise.all(
        hired.map(async (member) => {
          try {
            await member.kept.started;
            if (!isService(member)) say(`${member.part.label} is there after ${secondsSince(start)}`);
          } catch (error) {
            // The others need not go on; the first reason is the one to tell.
            failed.abort(error);
          }
        }),
      );
      signal.throwIfAborted();
      failed.signal.throwIfAborted();
      return hired;
    },
    announceReady: () => {
      ready = true;
      publish();
    },
    stop: async (signal) => {
      for (const wave of [services(), servers()]) await Promise.all(wave.map((member) => member.kept.stop(signal)));
    },
  };
}

const secondsSince = (start: number): string => `${((performance.now() - start) / 1000).toFixed(1)} s`;

function entryOf({ planned, kept }: GroupMember): Entry {
  const pid = kept.server()?.pid;
  return {
    name: planned.name,
    kind: planned.kind,
    instance: planned.instance,
    pid: pid ?? null,
    identity: pid === undefined ? undefined : identityOf(pid),
    url: kept.url(),
    ...sharedUrlOf(planned),
    restarts: kept.restarts(),
    crashedAt: kept.crashedAt(),
  };
}

const sharedUrlOf = (planned: Planned): { sharedUrl?: string } =>
  "sharedPort" in planned && planned.sharedPort ? { sharedUrl: serviceUrl({ port: planned.sharedPort }) } : {};

const externalEntry = ({ name, kind, instance, url }: External): Entry => ({
  name,
  kind,
  instance,
  pid: null,
  url,
  restarts: 0,
  crashedAt: [],
});
