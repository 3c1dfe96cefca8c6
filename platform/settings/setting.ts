/** What one setting is, and the kinds of values that many have. */
import { z } from "zod";

/** How one variable of the environment is read. */
export interface Setting<T extends z.ZodType = z.ZodType> {
  readonly schema: T;
  readonly help: string;
  /** Never printed. */
  readonly secret?: boolean;
}

/** @param help for `.env.example`: meaning and unit. @param secret never printed, and may come from a file. */
export const setting = <T extends z.ZodType>(schema: T, help: string, secret = false): Setting<T> => ({
  schema,
  help,
  secret,
});

/** A number from `min` to `max`; `initial` where none is given. */
export const wholeNumber = (min: number, max: number, initial: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be a whole number from ${min} to ${max}`)
    .default(initial);

/** One URL of these protocols, or none. @param example for who gives another. */
export const url = (protocols: RegExp, example: string) =>
  z.url({ protocol: protocols, error: `must be a URL like ${example}` }).optional();

/** One or more PEM blocks (RFC 7468) with this label, a regular expression; or none. */
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

/** `name=url` pairs, separated by commas; in their order, since several may share a name. */
export const namedUrls = (beginning: RegExp, example: string) =>
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
      (pairs) => pairs?.every(([name, at]) => /^[a-z][a-z0-9-]*$/.test(name) && beginning.test(at)) ?? true,
      `must be ${example}, several separated by commas`,
    );
