/** What Grafana is told at its start: where its data comes from, and where its dashboards lie. */
import { SCRAPE_SECONDS } from "../prometheus/scrape.ts";

/** Datasources are found by these, whatever they are called on the page. */
export const PROMETHEUS_UID = "lockstep-prometheus";
export const JAEGER_UID = "lockstep-jaeger";

/** Label of an exemplar that holds its trace's id. */
export const TRACE_ID_LABEL = "trace_id";

/** @param at URLs as Grafana's server reaches them, not the browser. */
export const datasources = (at: { prometheus: string; jaeger: string }) => ({
  apiVersion: 1,
  datasources: [
    {
      name: "Prometheus",
      uid: PROMETHEUS_UID,
      type: "prometheus",
      access: "proxy",
      url: at.prometheus,
      isDefault: true,
      jsonData: {
        httpMethod: "POST",
        timeInterval: `${SCRAPE_SECONDS}s`,
        // A point of a latency panel leads to the trace of one of the writes that it is made of.
        exemplarTraceIdDestinations: [{ name: TRACE_ID_LABEL, datasourceUid: JAEGER_UID }],
      },
    },
    { name: "Jaeger", uid: JAEGER_UID, type: "jaeger", access: "proxy", url: at.jaeger },
  ],
});

/** @param folder of the dashboards' JSON, on Grafana's side. */
export const dashboardProvider = (folder: string) => ({
  apiVersion: 1,
  providers: [
    {
      name: "lockstep",
      folder: "Lockstep",
      type: "file",
      // They come from code: what is changed in the browser is saved under another name.
      editable: false,
      disableDeletion: true,
      options: { path: folder },
    },
  ],
});
