import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  difference,
  figuresOf,
  histogramQuantile,
  medianOf,
  percentile,
  readBuckets,
  readCounters,
} from "./figures.ts";

describe("percentiles", () => {
  test("use the nearest rank: the 99th of 1 to 100 is 99", () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(figuresOf(values)).toEqual({ count: 100, mean: 50.5, p50: 50, p90: 90, p99: 99, max: 100 });
  });

  test("of one value are that value, of no values are zero", () => {
    expect(figuresOf([7])).toEqual({ count: 1, mean: 7, p50: 7, p90: 7, p99: 7, max: 7 });
    expect(figuresOf([])).toEqual({ count: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 });
  });

  test("sort numerically, not as text", () => {
    expect(figuresOf([9, 10, 100]).p50).toBe(10);
  });

  test("are always one of the values, with at least that share at or below it", () => {
    const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.001, max: 1, noNaN: true }), (list, share) => {
        const sorted = [...list].sort((a, b) => a - b);
        const value = percentile(sorted, share);
        expect(sorted).toContain(value);
        expect(sorted.filter((v) => v <= value).length).toBeGreaterThanOrEqual(share * sorted.length - 1e-9);
      }),
    );
  });
});

const text = `# HELP latency Seconds
# TYPE latency histogram
latency_bucket{le="0.01",replica="catalog",store="redis",service="replica-catalog"} 10
latency_bucket{le="0.02",replica="catalog",store="redis",service="replica-catalog"} 30
latency_bucket{le="+Inf",replica="catalog",store="redis",service="replica-catalog"} 40
latency_sum{replica="catalog",store="redis"} 1
latency_count{replica="catalog",store="redis"} 40
latency_bucket{le="0.01",replica="catalog",store="postgres"} 5
latency_bucket{le="+Inf",replica="catalog",store="postgres"} 5
latency_bucketed{le="+Inf",replica="catalog",store="redis"} 99
`;

describe("a histogram", () => {
  const buckets = readBuckets(text, "latency", { replica: "catalog", store: "redis" });

  test("is read by its labels, with cumulative counts", () => {
    expect([...buckets]).toEqual([
      [0.01, 10],
      [0.02, 30],
      [Infinity, 40],
    ]);
  });

  test("of several instances is summed", () => {
    expect(readBuckets(text, "latency", { replica: "catalog" }).get(Infinity)).toBe(45);
  });

  test("has interpolated quantiles, as in PromQL", () => {
    expect(histogramQuantile(buckets, 0.25)).toBeCloseTo(0.01);
    expect(histogramQuantile(buckets, 0.5)).toBeCloseTo(0.015);
    expect(histogramQuantile(buckets, 0.99)).toBe(0.02);
    expect(histogramQuantile(new Map(), 0.5)).toBe(0);
  });

  test("can be subtracted from a later reading", () => {
    const later = new Map([
      [0.01, 10],
      [0.02, 30],
      [Infinity, 50],
    ]);
    expect([...difference(buckets, later).values()]).toEqual([0, 0, 10]);
    expect(difference(new Map(), buckets)).toEqual(new Map(buckets));
  });
});

test("the median of rounds is the middle one, or the mean of the two in the middle", () => {
  expect(medianOf([9, 10, 100])).toEqual({ median: 10, min: 9, max: 100 });
  expect(medianOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(medianOf([7])).toEqual({ median: 7, min: 7, max: 7 });
  expect(medianOf([])).toBeUndefined();
});

test("counters are read by the value of a label, and other names and comments are not", () => {
  const metrics = `# TYPE requests_total counter
requests_total{request="produce",service="relay"} 12
requests_total{service="relay",request="fetch"} 30
requests_total{service="relay",request="fetch",broker="2"} 3
requests_total_other{request="produce"} 99`;
  expect(readCounters(metrics, "requests_total", "request")).toEqual(
    new Map([
      ["produce", 12],
      ["fetch", 33],
    ]),
  );
  expect(readCounters("", "requests_total", "request").size).toBe(0);
});
