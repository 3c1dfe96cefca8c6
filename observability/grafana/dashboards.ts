/** The dashboards as the files that Grafana reads. */
export const dashboardFiles = (): Readonly<Record<string, string>> => ({});
