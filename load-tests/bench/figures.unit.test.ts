import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bucketsIn, figuresOf, histogramQuantile, percentile, since } from "./figures.ts";

describe("percentiles", () => {
  test("are the nearest rank: of 1 to 100 the 99th is 99", () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(figuresOf(values)).toEqual({ count: 100, p50: 50, p90: 90, p99: 99, max: 100 });
  });

  test("of one value are that value, of none zero", () => {
    expect(figuresOf([7])).toEqual({ count: 1, p50: 7, p90: 7, p99: 7, max: 7 });
    expect(figuresOf([])).toEqual({ count: 0, p50: 0, p90: 0, p99: 0, max: 0 });
  });

  test("are sorted as numbers, not as text", () => {
    expect(figuresOf([9, 10, 100]).p50).toBe(10);
  });

  test("are always measured values with at least that share of all at or below them", () => {
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
  const buckets = bucketsIn(text, "latency", { replica: "catalog", store: "redis" });

  test("is read by its labels, cumulative as it is written", () => {
    expect([...buckets]).toEqual([
      [0.01, 10],
      [0.02, 30],
      [Infinity, 40],
    ]);
  });

  test("of several instances is added up", () => {
    expect(bucketsIn(text, "latency", { replica: "catalog" }).get(Infinity)).toBe(45);
  });

  test("has its quantiles within the bucket, as PromQL does", () => {
    expect(histogramQuantile(buckets, 0.25)).toBeCloseTo(0.01);
    expect(histogramQuantile(buckets, 0.5)).toBeCloseTo(0.015);
    expect(histogramQuantile(buckets, 0.99)).toBe(0.02);
    expect(histogramQuantile(new Map(), 0.5)).toBe(0);
  });

  test("can be read for the time between two readings", () => {
    const later = new Map([
      [0.01, 10],
      [0.02, 30],
      [Infinity, 50],
    ]);
    expect([...since(buckets, later).values()]).toEqual([0, 0, 10]);
    expect(since(new Map(), buckets)).toEqual(new Map(buckets));
  });
});
