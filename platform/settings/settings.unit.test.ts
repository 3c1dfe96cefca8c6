import { expect, test } from "bun:test";
import { readSettings, SettingsError, settings } from "./settings.ts";

const mistakes = (env: Record<string, string>): readonly string[] => {
  try {
    readSettings(env);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes;
    throw error;
  }
};

test("an empty value counts as not set, for every setting", () => {
  const empty = Object.fromEntries(Object.keys(settings).map((name) => [name, ""]));
  expect(readSettings(empty)).toEqual(readSettings({}));
});

const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

test("settings that would leave a connection to brokers less secure than they suggest are rejected", () => {
  const user = { KAFKA_SASL_USERNAME: "me", KAFKA_SASL_PASSWORD: "secret" };
  const cases: [Record<string, string>, RegExp | undefined][] = [
    [{ KAFKA_TLS: "true", KAFKA_TLS_CA: certificate, KAFKA_SASL_MECHANISM: "plain", ...user }, undefined],
    [{ KAFKA_SASL_MECHANISM: "scram-sha-512", ...user }, undefined],
    [{ KAFKA_TLS_CA: certificate }, /KAFKA_TLS_CA: .*KAFKA_TLS=true/],
    [{ KAFKA_TLS: "true", KAFKA_TLS_CERT: certificate }, /KAFKA_TLS_KEY: set both or neither/],
    [{ KAFKA_TLS: "true", KAFKA_TLS_CA: "/etc/ca.pem" }, /KAFKA_TLS_CA=\(hidden\): must be PEM text/],
    [{ KAFKA_SASL_MECHANISM: "plain", ...user }, /plain: would send the password unencrypted; set KAFKA_TLS=true/],
    [{ KAFKA_TLS: "yes" }, /KAFKA_TLS=yes: must be true or false/],
    [{ KAFKA_SASL_MECHANISM: "scram-sha-512", KAFKA_SASL_USERNAME: "me" }, /KAFKA_SASL_PASSWORD: must be set/],
    [user, /has no effect without KAFKA_SASL_MECHANISM/],
  ];
  for (const [env, expected] of cases)
    if (expected) expect(mistakes(env).join("\n")).toMatch(expected);
    else expect(mistakes(env)).toEqual([]);
  expect(mistakes({ KAFKA_SASL_MECHANISM: "plain", ...user }).join()).not.toContain("secret");
});
