/** A panel as data, and how it becomes one of Grafana's. */
import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  type Panel as GrafanaPanel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from "@grafana/grafana-foundation-sdk/dashboard";
import {
  PanelBuilder as Heatmap,
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/heatmap";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as Stat } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TimeSeries } from "@grafana/grafana-foundation-sdk/timeseries";

export interface Query {
  readonly expr: string;
  /** `{{label}}` stands for a label's value. */
  readonly legend: string;
  /** Shows single requests as points that lead to their traces. */
  readonly exemplars?: boolean;
}

export interface Panel {
  /** `stat`: the newest value, big; `lines`: over time; `stack`: parts of a whole over time; `heatmap`: a histogram over time. */
  readonly kind: "stat" | "lines" | "stack" | "heatmap";
  readonly title: string;
  readonly description: string;
  /** As Grafana names it: `s`, `bytes`, `percentunit`, `ops`, `short`, … */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of 24. */
  readonly width: number;
  readonly height: number;
  /** From here on it is yellow, and red. */
  readonly thresholds?: { readonly warn: number; readonly bad: number };
  /** Fewer are worse: the limits hold downwards. */
  readonly lowerIsWorse?: boolean;
}

/** The datasource that is chosen at the top of the dashboard. */
export const datasource = { type: "prometheus", uid: "$datasource" };

const refId = (index: number): string => String.fromCharCode(65 + index);

/** @param id links to the panel name it. @returns the panel, to be put into a dashboard. */
export function grafanaPanel(panel: Panel, id: number): Builder<GrafanaPanel> {
  const shaped = shape(panel);
  for (const [index, { expr, legend, exemplars = false }] of panel.queries.entries())
    shaped.withTarget(
      new DataqueryBuilder()
        .refId(refId(index))
        .datasource(datasource)
        .expr(expr)
        .legendFormat(legend)
        .range()
        .exemplar(exemplars)
        .format(panel.kind === "heatmap" ? PromQueryFormat.Heatmap : PromQueryFormat.TimeSeries),
    );
  return shaped
    .id(id)
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .unit(panel.unit)
    .span(panel.width)
    .height(panel.height)
    .thresholds(thresholds(panel));
}

function shape({ kind, thresholds, queries }: Panel) {
  switch (kind) {
    case "stat":
      return new Stat()
        .reduceOptions(new ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
        .colorMode(thresholds ? BigValueColorMode.Background : BigValueColorMode.Value)
        .graphMode(BigValueGraphMode.Area);
    case "heatmap":
      return new Heatmap().color(
        new HeatmapColorOptionsBuilder().mode(HeatmapColorMode.Scheme).scheme("Spectral").steps(64),
      );
    case "lines":
    case "stack": {
      const lines = new TimeSeries()
        .lineWidth(2)
        .fillOpacity(kind === "stack" ? 40 : 8)
        .gradientMode(GraphGradientMode.Opacity)
        .showPoints(VisibilityMode.Never)
        .min(0)
        .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
        .legend(
          new VizLegendOptionsBuilder()
            .displayMode(LegendDisplayMode.List)
            .placement(LegendPlacement.Bottom)
            .showLegend(queries.length > 1 || queries.some(({ legend }) => legend.includes("{{"))),
        );
      return kind === "stack" ? lines.stacking(new StackingConfigBuilder().mode(StackingMode.Normal)) : lines;
    }
    default:
      return kind satisfies never;
  }
}

function thresholds({ thresholds, lowerIsWorse = false }: Panel): ThresholdsConfigBuilder {
  const steps = !thresholds
    ? [{ value: null, color: "green" }]
    : lowerIsWorse
      ? [
          { value: null, color: "red" },
          { value: thresholds.bad, color: "yellow" },
          { value: thresholds.warn, color: "green" },
        ]
      : [
          { value: null, color: "green" },
          { value: thresholds.warn, color: "yellow" },
          { value: thresholds.bad, color: "red" },
        ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}
