/** Reads the conditions of a stack from every place that shows them. */
import { type ConditionName, conditionNames } from "../../contracts/conditions.ts";
import { metrics } from "../../contracts/metrics.ts";
import { camelCase } from "../../observability/prometheus/alerts/conditions.ts";
import { ConditionReader } from "../../operations/conditions/condition-reader.ts";
import { Connections, resolveAddresses } from "../../operations/connect.ts";
import { readServiceHealth } from "../../operations/status/service-health.ts";
import { type Status, statusOf } from "../../operations/status/status.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { project } from "../project/index.ts";
import { eventually } from "./eventually.ts";
import { firingAlerts, queryPrometheus } from "./prometheus.ts";
import { silentLogger } from "./replica.ts";
import type { Stack } from "./stack.ts";

type Names = ReadonlySet<ConditionName>;

/** A condition is shown, or gone, everywhere after this time at the latest, in milliseconds. */
const LIMIT_MS = 10_000;

/** Watches one stack, with a Prometheus that scrapes it. */
export class ConditionPlaces implements AsyncDisposable {
  private readonly connections: Connections;

  constructor(
    stack: Stack,
    private readonly prometheus: string,
    private readonly consoleUrl: string,
  ) {
    this.connections = new Connections(resolveAddresses(readSettings({}), stack.data, project), silentLogger);
  }

  /**
   * Waits until every place shows all of the conditions.
   *
   * @param definitionMs how long something must last before it is one of these conditions.
   * @throws {Error} when a place does not show one of them 10 s later, with what it shows.
   */
  appear(names: readonly ConditionName[], definitionMs = 0): Promise<void> {
    return this.watch(names, "shown", (shown, name) => shown.has(name), definitionMs + LIMIT_MS);
  }

  /** Waits until no place shows any of the conditions. @throws {Error} after `timeoutMs`, with what a place shows. */
  disappear(names: readonly ConditionName[], timeoutMs = LIMIT_MS): Promise<void> {
    return this.watch(names, "gone", (shown, name) => !shown.has(name), timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connections[Symbol.asyncDispose]();
  }

  /** Watches each place on its own, because one may take seconds to respond. Prints when the last one has changed. */
  private async watch(
    names: readonly ConditionName[],
    what: string,
    isSo: (shown: Names, name: ConditionName) => boolean,
    timeoutMs: number,
  ): Promise<void> {
    const started = performance.now();
    const places = { status: this.status, console: this.console, ready: this.ready, metric: this.metric };
    const all = Object.entries({ ...places, alert: this.alerts });
    const left = new Map(names.map((name) => [name, new Set(all.map(([place]) => place))]));
    const watchPlace = async ([place, read]: readonly [string, () => Promise<Names>]) => {
      const check = async () => {
        const shown = await read.call(this);
        for (const [name, missing] of left) {
          if (!isSo(shown, name) || !missing.delete(place) || missing.size > 0) continue;
          const seconds = ((performance.now() - started) / 1_000).toFixed(1);
          console.log(`${name}: ${what} everywhere after ${seconds} s, last by ${place}`);
        }
        const waiting = [...left].filter(([, missing]) => missing.has(place)).map(([name]) => name);
        if (waiting.length > 0) throw new Error(`${waiting} not ${what}; it shows ${[...shown].join(", ") || "none"}`);
        return true;
      };
      await eventually(check, { timeoutMs, what: `${place} to have ${names} ${what}`, everyMs: 100 });
    };
    await Promise.all(all.map(watchPlace));
  }

  private async status(): Promise<Names> {
    // As the verb, with a shorter limit for parts that do not respond: each read is a new view.
    const reader = new ConditionReader(this.connections, project, { timeoutMs: 2_000, verifyEverySeconds: 900 });
    return namesOf(statusOf(await reader.read()));
  }

  private async console(): Promise<Names> {
    return namesOf((await (await fetch(`${this.consoleUrl}/api/status`)).json()) as Status);
  }

  private async ready(): Promise<Names> {
    const services = await Promise.all(this.connections.addresses.services.map(readServiceHealth));
    return new Set(services.flatMap(({ conditions }) => conditions.map(({ condition }) => condition)));
  }

  private async metric(): Promise<Names> {
    const series = await queryPrometheus(this.prometheus, `max by (condition) (${metrics.condition.name}) > 0`);
    return new Set(series.map(({ metric }) => metric.condition as ConditionName));
  }

  private async alerts(): Promise<Names> {
    const alerts = await firingAlerts(this.prometheus);
    const broken = alerts.find(({ annotations }) => annotations.summary?.includes("error expanding template"));
    if (broken) throw new Error(`the text of ${broken.labels.alertname} is broken: ${broken.annotations.summary}`);
    const firing = new Set(alerts.map(({ labels }) => labels.alertname));
    return new Set(conditionNames.filter((name) => firing.has(`Lockstep${camelCase(name)}`)));
  }
}

const namesOf = ({ conditions }: Status): Names => new Set(conditions.map(({ condition }) => condition));
