/** A dashboard as data, and its conversion to Grafana's model. */
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { annotations } from "./annotations.ts";
import { datasource, grafanaPanel, type Panel } from "./panel.ts";

/** A variable at the top of a dashboard: a selection among the values of a label. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  readonly metric: string;
  /** Allows several values at once, and selects all by default. */
  readonly multiple: boolean;
}

/** A row of panels. Their widths add up to a multiple of 24. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A dashboard. */
export interface Board {
  /** File name, and the stable part of its address. */
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly Row[];
}

/** Tag by which the dashboards link to each other. */
const TAG = "lockstep";

/** Converts a dashboard. */
export function grafanaDashboard(board: Board): Dashboard {
  const dashboard = new DashboardBuilder(board.title)
    .uid(`lockstep-${board.slug}`)
    .description(board.description)
    .tags([TAG])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh("5s")
    .time({ from: "now-15m", to: "now" })
    .timezone("browser")
    .link(
      new DashboardLinkBuilder("Lockstep")
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(false)
        .keepTime(true)
        .includeVars(true),
    )
    .withVariable(new DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"));
  for (const variable of board.variables) dashboard.withVariable(grafanaVariable(variable));
  for (const { name, color, expr, title, timeFromValue } of annotations)
    dashboard.annotation(
      new AnnotationQueryBuilder()
        .name(name)
        .datasource(datasource)
        .enable(true)
        .iconColor(color)
        .expr(expr)
        .titleFormat(title)
        .step("5s")
        .useValueForTime(timeFromValue),
    );
  let id = 0;
  for (const { title, panels } of board.rows) {
    dashboard.withRow(new RowBuilder(title).id(++id));
    for (const panel of panels) dashboard.withPanel(grafanaPanel(panel, ++id));
  }
  return dashboard.build();
}

function grafanaVariable({ name, label, metric, multiple }: Variable): QueryVariableBuilder {
  const variable = new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query(`label_values(${metric}, ${name})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(multiple)
    .includeAll(multiple);
  return multiple ? variable.allValue(".+").current({ text: "All", value: "$__all" }) : variable;
}
