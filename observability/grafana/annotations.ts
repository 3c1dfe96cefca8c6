/** Events that Grafana marks in every panel: starts of processes, rebuilds, pauses. */
import { metrics } from "../../contracts/metrics.ts";

/** One kind of mark, from a query. */
export interface Annotation {
  readonly name: string;
  readonly color: string;
  readonly expr: string;
  readonly title: string;
  /**
   * True: the query's value is the time of the mark, in milliseconds since 1970. False: a mark wherever the value is
   * above 0.
   */
  readonly timeFromValue: boolean;
}

/** The marks of all dashboards. */
export const annotations: readonly Annotation[] = [
  {
    name: "Starts",
    color: "blue",
    expr: `max by (service, instance, version) (${metrics.startTime.name} * on (service, instance) group_left (version) ${metrics.build.name}) * 1000`,
    title: "{{service}} {{instance}} started, version {{version}}",
    timeFromValue: true,
  },
  {
    name: "Rebuilds",
    color: "purple",
    expr: `sum by (service) (increase(${metrics.rebuilds.name}[$__rate_interval])) > 0`,
    title: "{{service}} was rebuilt",
    timeFromValue: false,
  },
  {
    name: "Pauses",
    color: "orange",
    expr: `max by (service) (${metrics.paused.name}) > 0`,
    title: "{{service}} is paused",
    timeFromValue: false,
  },
];
