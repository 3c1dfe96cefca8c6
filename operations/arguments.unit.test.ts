/** What the verbs refuse on the command line, before they connect to a server. */
import { expect, test } from "bun:test";
import { Command, InvalidArgumentError } from "commander";
import { project } from "../tests/project/index.ts";
import { parseNameArgument, withFilterOptions } from "./dead-letters/filter.ts";
import { choiceParser, integerParser, parseId, readId } from "./verb.ts";
import { withScopeOptions } from "./verify/command.ts";

const quiet = (command: Command): Command => command.exitOverride().configureOutput({ writeErr: () => {} });
const option =
  (command: Command, ...args: string[]) =>
  () =>
    quiet(command).parse(args, { from: "user" });
const filter = () => withFilterOptions(new Command("list"), project);
const scope = () => withScopeOptions(new Command("verify"), project);

test.each<[string, () => unknown, string]>([
  ["a time", option(filter(), "--since", "yesterday"), "must be 90s, 30m, 12h, 7d, or a time as 2026-01-31T12:00:00Z"],
  ["a replica", option(filter(), "--replica", "gateway"), "there is no replica gateway; choose one of: relay, stream"],
  ["a reason", option(filter(), "--reason", "bored"), "there is no reason bored; choose one of: "],
  ["an entity", option(scope(), "--entity", "orders"), "there is no entity orders; choose one of: product"],
  ["a share of zero", option(scope(), "--share", "0"), "must be above 0 and at most 1"],
  ["a share above one", option(scope(), "--share", "1.1"), "must be above 0 and at most 1"],
  ["seconds", option(scope(), "--within", "-1"), "must be a whole number from 0 to 3600"],
  ["a key", () => parseId("42,"), "must be the values of the key in its order, joined by commas"],
  ["a key of another type", () => readId(project.entities[0]!, "17"), "17 is no key of product"],
  ["a number", () => integerParser(1, 9)("10"), "must be a whole number from 1 to 9"],
  ["a choice", () => choiceParser("state", ["open"])("shut"), "there is no state shut; choose one of: open"],
  [
    "the name of a dead letter",
    () => parseNameArgument("products.events/3"),
    "must be <topic>/<partition>/<offset> or outbox/<number>, as list shows it",
  ],
])("%s outside of what is allowed is refused with what is", (_, parse, text) => {
  expect(parse).toThrow(text);
});

test("a share of one, a duration and an id in capitals are accepted", () => {
  expect(quiet(scope()).parse(["--share", "1"], { from: "user" }).opts()).toMatchObject({ share: 1 });
  const { since } = quiet(filter()).parse(["--since", "2h"], { from: "user" }).opts<{ since: number }>();
  expect(Date.now() - since).toBeGreaterThanOrEqual(7_200_000);
  expect(Date.now() - since).toBeLessThan(7_260_000);
  expect(parseId("01890000-0000-7000-8000-00000000000A")).toBe("01890000-0000-7000-8000-00000000000a");
  expect(parseId("42,a%2Cb")).toBe("42,a%2Cb");
  expect(() => parseNameArgument("outbox/17")).not.toThrow(InvalidArgumentError);
});
