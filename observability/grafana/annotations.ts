/** What happened, as marks in every panel: starts of processes (so deployments), rebuilds, pauses. */
import { metrics } from "../../contracts/metrics.ts";

export interface Annotation {
  readonly name: string;
  readonly color: string;
  readonly expr: string;
  readonly title: string;
  /** The query's value is the time of the mark, in milliseconds since 1970; else there is a mark wherever it is above 0. */
  readonly timeFromValue: boolean;
}

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
    title: "{{service}} rebuilt itself",
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
