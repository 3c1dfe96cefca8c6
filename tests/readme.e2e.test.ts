/** The first commands of README.md, run literally in a copy of the repository. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { down } from "../stack/down.ts";
import { stopStackAtExit } from "./harness/clean-up-at-exit.ts";
import { blocksOf, programFolder, runBlock } from "./harness/doc-page.ts";
import { temporaryFolder } from "./harness/servers.ts";
import { freePortBase } from "./harness/stack.ts";
import { RepositoryCopy } from "./harness/worked-example.ts";

const copy = RepositoryCopy.create();
const data = join(copy.root, ".lockstep");

afterAll(async () => {
  await down(data, () => {});
  copy[Symbol.dispose]();
}, 60_000);

test("README.md: up, then a write that the replicas show", async () => {
  stopStackAtExit(data, false);
  const base = await freePortBase();
  const options = {
    folder: copy.root,
    // Other stacks may use the ports of the page, and this one must not keep the terminal.
    adapt: (text: string) =>
      text
        .replace("bun run up", `bun run up --detach --port-base ${base}`)
        .replace(/localhost:80(\d\d)/g, (_, port: string) => `localhost:${base + Number(port) - 80}`),
    env: { PATH: `${programFolder(join(temporaryFolder("readme"), "bin"))}:${process.env.PATH}` },
  };
  const [up, write] = blocksOf("README.md").filter(({ language }) => language === "sh");
  expect(await runBlock(up!, "", options)).toContain("Lockstep is ready");
  const answers = (await runBlock(write!, "", options))
    .split(/(?=HTTP\/1\.1)/)
    .filter((part) => part.startsWith("HTTP"));
  expect(answers[0]).toContain("201 Created");
  for (const answer of answers.slice(1)) expect(answer).toContain("200 OK");
  expect(answers).toHaveLength(write!.text.match(/^curl/gm)!.length);
}, 120_000);
