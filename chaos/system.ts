/** What chaos knows of the system under test, and how it reaches into it. Each way to run Lockstep implements it. */

import type { Project } from "../contracts/project.ts";

/** Kinds of processes that a fault can hit. */
export type ProcessKind = "service" | "postgres" | "broker" | "redis";

/** One process of the system, over its restarts. */
export interface SystemProcess {
  /** As `lockstep status` names it: `stream`, `stream 2`, `catalog-db`, `broker 3`, `redis`. */
  readonly name: string;
  readonly kind: ProcessKind;
  /**
   * Sends a signal. SIGSTOP and SIGCONT also reach the children of a PostgreSQL server.
   *
   * @throws {Error} when the process does not run.
   */
  signal(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT" | "SIGINT" | "SIGQUIT"): Promise<void>;
  /**
   * Keeps the process from being restarted until the returned function is called. Undefined: the system cannot, and
   * restarts the process by its own rules.
   */
  readonly hold: (() => Promise<() => Promise<void>>) | undefined;
  /** Cuts the process off from all others until the returned function is called. Undefined: the system cannot. */
  readonly disconnect?: () => Promise<() => Promise<void>>;
  /** Identifies the process that runs now: a restart changes it. Undefined while none runs. */
  identity(): Promise<string | undefined>;
  /** True when the process runs and reports that it is ready. Rejects never. */
  isReady(): Promise<boolean>;
}

/** Directions of a connection, as seen by the one who opened it. */
export type Direction = "request" | "response";

/**
 * All connections of one process to one server, which pass through a proxy.
 *
 * Each fault lasts until {@link Connection.heal}. Faults of one connection add up.
 */
export interface Connection {
  /** `gateway → gateway-db`, `stream 2 → broker 1`. */
  readonly name: string;
  /** Delays each chunk by this many milliseconds, in both directions. */
  delay(ms: number): void;
  /** Resets every open connection once (RST). */
  reset(): void;
  /** Resets every open connection, and each new one at once. */
  refuse(): void;
  /** Forwards nothing more in these directions and keeps the sockets open: one direction is a one-way cut. */
  silence(...directions: readonly Direction[]): void;
  /** Open connections stay open and forward nothing more; new ones work: the half-open connection of a lost peer. */
  freeze(): void;
  /** Ends every fault. Resets the connections that lost data. */
  heal(): void;
}

/** The disk of one server. */
export interface Disk {
  /** Name of the server's process. */
  readonly name: string;
  /** Leaves no room on the disk. @throws {Error} when that is not possible. */
  fill(): Promise<void>;
  /** Makes room again. */
  clear(): Promise<void>;
}

/** Addresses for clients and checkers. They bypass the proxies, so that faults do not blind the checkers. */
export interface SystemAddresses {
  /** Base URL of the gateway, shared by its instances. */
  readonly gateway: string;
  /** Base URL of each replica's HTTP API, by the replica's name. */
  readonly replicas: ReadonlyMap<string, string>;
  /** PostgreSQL URL of the source, with the rights of its owner. */
  readonly sourceDatabase: string;
  /** PostgreSQL URL of each replica's database, by the replica's name. */
  readonly replicaDatabases: ReadonlyMap<string, string>;
  /** `host:port` of each broker. */
  readonly brokers: readonly string[];
  /** Undefined: there is no cache. */
  readonly redis: string | undefined;
}

/** What `lockstep verify` concludes. `unknown`: a copy could not be read, or was behind. */
export interface Verification {
  readonly verdict: "equal" | "differs" | "unknown";
  /** Its report. */
  readonly text: string;
}

/** A running system. */
export interface System extends AsyncDisposable {
  /** How it runs: a stack of `bun run up`, containers, or servers and services that somebody else started. */
  readonly kind: "embedded" | "compose" | "own";
  /** The project that it runs. */
  readonly project: Project;
  readonly addresses: SystemAddresses;
  /** Processes that this system can signal. Empty where chaos has no control over processes. */
  readonly processes: readonly SystemProcess[];
  /** Connections that pass through a proxy. Empty where there is none. */
  readonly connections: readonly Connection[];
  /** Disks that chaos can fill. Empty where there is none. */
  readonly disks: readonly Disk[];
  /** Restarts all services, one instance after the other. Undefined: the system has no such command. */
  readonly rollingRestart: (() => Promise<void>) | undefined;
  /** Names of the conditions that `lockstep status` shows now. @throws {Error} when no answer comes within 10 s. */
  conditions(): Promise<readonly string[]>;
  /** What `lockstep verify` says. @throws {Error} when it could not run. */
  verify(): Promise<Verification>;
  /** Runs `lockstep resync`. @throws {Error} when it could not finish. */
  resync(): Promise<{ readonly equal: boolean; readonly text: string }>;
  /** Copies logs and state into a folder, after a violation. */
  keepEvidence(folder: string): Promise<void>;
}
