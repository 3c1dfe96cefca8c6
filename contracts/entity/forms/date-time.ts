/** `date`, `time`, `timestamp` and their kin: ISO 8601 as PostgreSQL writes it, with infinities and years before 1. */
import { z } from "zod";
import type { ValueForm } from "../field.ts";

const DATE = "(\\d{4,7})-(\\d\\d)-(\\d\\d)";
const TIME = "(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:\\.(\\d{1,6}))?)?";
const OFFSET = "(?:Z|[+-]\\d\\d(?::?\\d\\d(?::\\d\\d)?)?)";
const ERA = "( BC)?";
const INFINITE = "-?infinity";

const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** True for a day of the calendar. @param year as written; 1 BC is a leap year. */
function isRealDay(year: number, month: number, day: number, isBeforeChrist: boolean): boolean {
  if (year === 0 || month < 1 || month > 12 || day < 1 || day > MONTH_DAYS[month - 1]!) return false;
  if (month !== 2 || day < 29) return true;
  const astronomical = isBeforeChrist ? 1 - year : year;
  return astronomical % 4 === 0 && (astronomical % 100 !== 0 || astronomical % 400 === 0);
}

/** True for a time of day. PostgreSQL reads 24:00:00, and 60 seconds as the next minute. */
const isRealTime = (hour: number, minute: number, second: number): boolean =>
  minute < 60 && second <= 60 && (hour < 24 || (hour === 24 && minute === 0 && second === 0));

/** A text of this pattern that is also a real day and time. */
function realSchema(pattern: RegExp, isReal: (parts: RegExpExecArray) => boolean, what: string, example: string) {
  return z
    .string()
    .regex(pattern, `must be ${what} like "${example}"`)
    .refine((value) => {
      const parts = pattern.exec(value);
      return parts !== null && (value.endsWith("infinity") || isReal(parts));
    }, `must be ${what} that exists`)
    .meta({ rules: [what] });
}

const dateOf = ([, year, month, day, era]: readonly (string | undefined)[]) =>
  isRealDay(Number(year), Number(month), Number(day), era !== undefined);
const timeOf = ([hour, minute, second = "0"]: readonly (string | undefined)[]) =>
  isRealTime(Number(hour), Number(minute), Number(second));

const asIs = (value: unknown): unknown => value;

/** `date`: `2026-01-02`, `0044-03-15 BC`, `infinity`. */
export const dateForm: ValueForm = {
  kind: "date",
  schema: realSchema(new RegExp(`^(?:${DATE}${ERA}|${INFINITE})$`), dateOf, "a date", "2026-01-02"),
  fromColumn: asIs,
};

/** `time`: `03:04:05.678901`. With a time zone: `03:04:05+00`. */
export const timeForm = (hasZone: boolean): ValueForm => ({
  kind: "time",
  schema: realSchema(
    new RegExp(`^${TIME}${hasZone ? OFFSET : ""}$`),
    (parts) => timeOf(parts.slice(1)),
    hasZone ? "a time with time zone" : "a time",
    hasZone ? "03:04:05+00" : "03:04:05",
  ),
  fromColumn: asIs,
});

const timestampSchema = (zone: string, what: string, example: string) =>
  realSchema(
    new RegExp(`^(?:${DATE}[T ]${TIME}${zone}${ERA}|${INFINITE})$`),
    ([, year, month, day, hour, minute, second, , era]) =>
      dateOf([undefined, year, month, day, era]) && timeOf([hour, minute, second]),
    what,
    example,
  );

/** `timestamp`: `2026-01-02T03:04:05.678901`. */
export const timestampForm: ValueForm = {
  kind: "timestamp",
  schema: timestampSchema("", "a timestamp", "2026-01-02T03:04:05"),
  fromColumn: (value) => (typeof value === "string" ? value.replace(" ", "T").replace("TBC", " BC") : value),
};

/**
 * `timestamp with time zone`, in UTC. With a precision of at most 3, milliseconds are always there:
 * `2026-01-02T03:04:05.678Z`. Otherwise the text has as many decimals as the value: `2026-01-02T03:04:05.678901Z`.
 */
export function timestamptzForm(precision = 6): ValueForm {
  const hasMilliseconds = precision <= 3;
  return {
    kind: "timestamptz",
    schema: timestampSchema(OFFSET, "a timestamp with time zone", "2026-01-02T03:04:05.678Z"),
    fromColumn: (value) => {
      if (typeof value !== "string" || value.endsWith("Z")) return value; // a document's value
      if (hasMilliseconds && IN_UTC.test(value)) return `${value.slice(0, 23)}Z`; // nearly all values
      return utcText(value, hasMilliseconds);
    },
  };
}

const IN_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/;
const PARTS = new RegExp(`^${DATE}[T ](\\d\\d):(\\d\\d):(\\d\\d)(?:\\.(\\d{1,6}))?(Z|[+-][\\d:]+)${ERA}$`);

function utcText(value: string, hasMilliseconds: boolean): string {
  const parts = PARTS.exec(value);
  if (!parts) return value; // an infinity
  const [, year, month, day, hour, minute, second, decimals = "", offset, era = ""] = parts;
  const fraction = hasMilliseconds ? `.${decimals.slice(0, 3).padEnd(3, "0")}` : decimals && `.${decimals}`;
  const seconds = offsetSeconds(offset!);
  if (seconds === 0) return `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}Z${era}`;
  const date = new Date(0);
  date.setUTCFullYear(era ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second) - seconds);
  const inUtc = date.getUTCFullYear();
  const yearText = String(inUtc > 0 ? inUtc : 1 - inUtc).padStart(4, "0");
  return `${yearText}${date.toISOString().slice(-20, -5)}${fraction}Z${inUtc > 0 ? "" : " BC"}`;
}

/** `+05:30` → 19,800. */
function offsetSeconds(offset: string): number {
  if (offset === "Z") return 0;
  const [hours = "0", minutes = "0", seconds = "0"] = offset.slice(1).split(":");
  return (offset[0] === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds));
}

/** Times that Lockstep sets: always in UTC, with milliseconds, and never infinite. */
export const lockstepTimeSchema = z.iso.datetime();
