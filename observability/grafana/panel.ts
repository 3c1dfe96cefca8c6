/** A panel as data, and its conversion to Grafana's model. */
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

/** One query of a panel. */
export interface Query {
  readonly expr: string;
  /** Name of the line; `{{label}}` is replaced by the label's value. */
  readonly legend: string;
  /** Shows exemplars: points that link to the trace of one observation. */
  readonly exemplars?: boolean;
}

/** A panel. */
export interface Panel {
  /**
   * `stat`: the latest value. `lines`: values over time. `stack`: stacked values over time. `heatmap`: a histogram over
   * time.
   */
  readonly kind: "stat" | "lines" | "stack" | "heatmap";
  readonly title: string;
  readonly description: string;
  /** A unit of Grafana: `s`, `bytes`, `percentunit`, `ops`, `short`, … */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** In columns, of 24. */
  readonly width: number;
  readonly height: number;
  /** Values from which the panel is yellow, and red. */
  readonly thresholds?: { readonly warning: number; readonly critical: number };
  /** Lower values are worse: the panel is red below `critical` and yellow below `warning`. */
  readonly lowerIsWorse?: boolean;
}

/** The datasource that is selected at the top of the dashboard. */
export const datasource = { type: "prometheus", uid: "$datasource" };

const refId = (index: number): string => String.fromCharCode(65 + index);

/** Converts a panel. @param id stable number within the dashboard; links to the panel contain it. */
export function grafanaPanel(panel: Panel, id: number): Builder<GrafanaPanel> {
  const builder = builderFor(panel);
  for (const [index, { expr, legend, exemplars = false }] of panel.queries.entries())
    builder.withTarget(
      new DataqueryBuilder()
        .refId(refId(index))
        .datasource(datasource)
        .expr(expr)
        .legendFormat(legend)
        .range()
        .exemplar(exemplars)
        .format(panel.kind === "heatmap" ? PromQueryFormat.Heatmap : PromQueryFormat.TimeSeries),
    );
  return builder
    .id(id)
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .unit(panel.unit)
    .span(panel.width)
    .height(panel.height)
    .thresholds(thresholdsOf(panel));
}

function builderFor({ kind, thresholds, queries }: Panel) {
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

function thresholdsOf({ thresholds, lowerIsWorse = false }: Panel): ThresholdsConfigBuilder {
  const steps = !thresholds
    ? [{ value: null, color: "green" }]
    : lowerIsWorse
      ? [
          { value: null, color: "red" },
          { value: thresholds.critical, color: "yellow" },
          { value: thresholds.warning, color: "green" },
        ]
      : [
          { value: null, color: "green" },
          { value: thresholds.warning, color: "yellow" },
          { value: thresholds.critical, color: "red" },
        ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}
