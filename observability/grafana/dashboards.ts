/** All dashboards, and the files that Grafana reads. */
import { type Board, grafanaDashboard } from "./board.ts";
import { gateway } from "./boards/gateway.ts";
import { inStep } from "./boards/in-step.ts";
import { infrastructure } from "./boards/infrastructure.ts";
import { loadTest } from "./boards/load-test.ts";
import { oneReplica } from "./boards/one-replica.ts";
import { stream } from "./boards/stream.ts";

/** In the order of the README. The first one is the overview. */
export const boards: readonly Board[] = [inStep, oneReplica, stream, gateway, loadTest, infrastructure];

/** Content of the dashboard files, by path below observability/. */
export const dashboardFiles = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    boards.map((board) => [
      `grafana/dashboards/${board.slug}.json`,
      `${JSON.stringify(grafanaDashboard(board), null, 2)}\n`,
    ]),
  );
