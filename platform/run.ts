/**
 * Runs one service as a process: reads the settings, starts the service, and stops it on SIGTERM or SIGINT.
 *
 * Crash-only: after an unexpected error the process exits, and its supervisor restarts it. Start-up is the recovery
 * path.
 */
import { hostname } from "node:os";
import type { Project } from "../contracts/project.ts";
import { createLogger, type Logger } from "../observability/logger.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { measureRuntime } from "../observability/runtime.ts";
import { startTelemetry, type Telemetry } from "../observability/telemetry.ts";
import { collectGarbageWhenIdle } from "./collect-garbage-when-idle.ts";
import type { Service } from "./service.ts";
import { readSettings, type Settings, SettingsError, telemetryOptionsOf } from "./settings/settings.ts";
import { VERSION } from "./version.ts";

/** What the process gives to its service. */
export interface ServiceDeps {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly project: Project;
}

/** Time to flush telemetry after a crash. */
const CRASH_FLUSH_MS = 500;

/**
 * Runs a service until the process exits; never resolves.
 *
 * Exit status: 0 after a stop, 1 when the service failed or did not stop in time, 2 for wrong settings.
 */
export async function runService(
  name: string,
  project: Project,
  start: (deps: ServiceDeps) => Promise<Service>,
): Promise<never> {
  const settings = settingsOrExit(name);
  const instance = settings.LOCKSTEP_INSTANCE ?? hostname();
  const logger = createLogger(name, instance, settings.LOCKSTEP_LOG_LEVEL);
  const metrics = createMetrics(name, instance);
  measureRuntime(metrics, VERSION);
  const reporting = { service: name, instance, version: VERSION };
  const telemetry = await startTelemetry(reporting, telemetryOptionsOf(settings), { logger, metrics });
  collectGarbageWhenIdle();
  const lifecycle = new Lifecycle(logger, telemetry, settings.LOCKSTEP_SHUTDOWN_MS);
  try {
    const service = await start({ settings, logger, metrics, project });
    lifecycle.service = service;
    logger.info({ version: VERSION, pid: process.pid, afterMs: Math.round(process.uptime() * 1_000) }, "started");
    await service.ended;
    if (!lifecycle.stopping) throw new Error("the service ended without a signal to stop");
  } catch (error) {
    if (error instanceof SettingsError) exitWith(name, error);
    if (!lifecycle.stopping) lifecycle.crash(error);
  }
  return new Promise<never>(() => {});
}

function settingsOrExit(name: string): Settings {
  try {
    return readSettings(process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return exitWith(name, error);
  }
}

function exitWith(name: string, { message }: SettingsError): never {
  console.error(`lockstep ${name}: ${message}`);
  process.exit(2);
}

/** Ends the process: on a signal, or on an unexpected error. */
class Lifecycle {
  /** The started service; undefined during start-up. */
  service: Service | undefined;
  stopping = false;

  constructor(
    private readonly logger: Logger,
    private readonly telemetry: Telemetry,
    private readonly shutdownMs: number,
  ) {
    const crash = (error: unknown) => this.crash(error);
    process.on("uncaughtException", crash);
    process.on("unhandledRejection", crash);
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => this.stop(signal));
  }

  crash(error: unknown): void {
    this.logger.fatal({ err: error }, "unexpected error; the process exits so that its supervisor restarts it");
    void this.exit(1);
    // A flush that hangs must not keep a broken process alive.
    setTimeout(() => process.exit(1), CRASH_FLUSH_MS);
  }

  /** A second signal exits at once. */
  private stop(signal: string): void {
    if (this.stopping) process.exit(1);
    this.stopping = true;
    this.logger.info({ signal }, "stopping");
    setTimeout(() => {
      this.logger.error({ afterMs: this.shutdownMs }, "the service did not stop within LOCKSTEP_SHUTDOWN_MS; exiting");
      process.exit(1);
    }, this.shutdownMs);
    if (!this.service) process.exit(0);
    this.service.stop().then(
      () => {
        this.logger.info("stopped");
        void this.exit(0);
      },
      (error) => this.crash(error),
    );
  }

  private async exit(status: number): Promise<never> {
    await this.telemetry.flush();
    process.exit(status);
  }
}
