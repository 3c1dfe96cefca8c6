/** A setting, and the kinds of values that several settings have. */
import { z } from "zod";

/** How one environment variable is read. */
export interface Setting<T extends z.ZodType = z.ZodType> {
  readonly schema: T;
  /** Meaning, unit and range. Becomes the comment in `.env.example`. */
  readonly help: string;
  /** Never printed, and may come from a file. */
  readonly secret?: boolean;
}

/** Declares a setting. @param help meaning, unit and range. @param secret never printed, and may come from a file. */
export const setting = <T extends z.ZodType>(schema: T, help: string, secret = false): Setting<T> => ({
  schema,
  help,
  secret,
});

/** A whole number from `min` to `max`, by default `initial`. */
export const wholeNumber = (min: number, max: number, initial: number) => numberFrom(min, max, 12).default(initial);

/** A TCP port; undefined if not set. */
export const optionalPort = () => numberFrom(1, 65_535, 5).optional();

const numberFrom = (min: number, max: number, maxDigits: number) =>
  z
    .string()
    .regex(new RegExp(`^\\d{1,${maxDigits}}$`), `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be a whole number from ${min} to ${max}`);

/** Any text; undefined if not set. */
export const text = () => z.string().min(1).optional();

/** One URL with one of these protocols; undefined if not set. @param example shown with a wrong value. */
export const url = (protocols: RegExp, example: string) =>
  z.url({ protocol: protocols, error: `must be a URL like ${example}` }).optional();

/** One or more PEM blocks (RFC 7468); undefined if not set. @param label a regular expression. */
export const pem = (label: string) =>
  z
    .string()
    .regex(new RegExp(`^\\s*-----BEGIN ${label}-----[^]+-----END ${label}-----\\s*$`), "must be PEM text")
    .optional();

/** `true` or `false`. */
export const flag = (initial: boolean) =>
  z
    .enum(["true", "false"], { error: "must be true or false" })
    .default(initial ? "true" : "false")
    .transform((given) => given === "true");

/** `name=url` pairs, separated by commas, in their order. Several pairs may have the same name. */
export const namedUrls = (prefix: RegExp, example: string) =>
  z
    .string()
    .optional()
    .transform((list) =>
      list?.split(",").map((pair) => {
        const [name = "", ...rest] = pair.trim().split("=");
        return [name, rest.join("=")] as const;
      }),
    )
    .refine(
      (pairs) => pairs?.every(([name, at]) => /^[a-z][a-z0-9-]*$/.test(name) && prefix.test(at)) ?? true,
      `must be ${example}; separate several by commas`,
    );
