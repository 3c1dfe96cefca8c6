/** Provisioning of Grafana: its datasources, and the folder of its dashboards. */
import { SCRAPE_SECONDS } from "../prometheus/scrape.ts";

/** Stable id of the Prometheus datasource. */
export const PROMETHEUS_UID = "lockstep-prometheus";
/** Stable id of the Jaeger datasource. */
export const JAEGER_UID = "lockstep-jaeger";

/** Label of an exemplar with the id of its trace. */
export const TRACE_ID_LABEL = "trace_id";

/** The datasources. @param at URLs for Grafana's server, not for the browser. */
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
        // An exemplar links to the trace of its observation.
        exemplarTraceIdDestinations: [{ name: TRACE_ID_LABEL, datasourceUid: JAEGER_UID }],
      },
    },
    { name: "Jaeger", uid: JAEGER_UID, type: "jaeger", access: "proxy", url: at.jaeger },
  ],
});

/** The provider of the dashboards. @param folder path of their files in Grafana's container or host. */
export const dashboardProvider = (folder: string) => ({
  apiVersion: 1,
  providers: [
    {
      name: "lockstep",
      folder: "Lockstep",
      type: "file",
      // The dashboards are generated. A user can save a changed one under another name.
      editable: false,
      disableDeletion: true,
      options: { path: folder },
    },
  ],
});
