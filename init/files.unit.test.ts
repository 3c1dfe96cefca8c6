import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "../generate/generate.ts";
import { emptySnapshot, snapshotText } from "../generate/snapshot.ts";
import { loadProject } from "../platform/project-file.ts";
import { packageName, projectFiles } from "./files.ts";

const project = () => projectFiles({ name: "my-shop", lockstep: "file:vendor/lockstep-0.1.0.tgz" });

test("every placeholder of the templates is filled in", () => {
  for (const [path, content] of project())
    expect({ path, left: content.match(/\{\{.*?\}\}/) }).toEqual({ path, left: null });
});

test("each project has passwords of its own", () => {
  const passwords = (text: string) => [...text.matchAll(/_PASSWORD=(.*)$/gm)].map(([, password]) => password!);
  const all = [project(), project()].flatMap((files) => passwords(files.get(".env")!));
  expect(all).toHaveLength(4);
  expect(new Set(all).size).toBe(4);
  for (const password of all) expect(password).toMatch(/^[\w-]{24}$/);
});

interface ComposeService {
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly configs?: readonly { readonly source: string }[];
}

test("compose.yaml names the passwords of .env, the replica's port, and a service for each command", () => {
  const files = project();
  const compose = files.get("compose.yaml")!;
  const { services, configs } = Bun.YAML.parse(compose) as {
    services: Record<string, ComposeService>;
    configs: Record<string, object>;
  };
  const used = Object.values(services).flatMap((service) => service.configs ?? []);
  expect(used.map(({ source }) => source).sort()).toEqual(Object.keys(configs).sort());
  expect(Object.keys(services)).toEqual([
    ...["redpanda", "redis", "gateway-db", "gateway", "relay", "board-db", "stream", "board", "console", "prometheus"],
  ]);
  for (const [, name] of compose.matchAll(/\$\{(\w+)/g))
    expect(files.get(".env")).toMatch(new RegExp(`^${name}=`, "m"));
  const offset = (JSON.parse(files.get("lockstep.ports.json")!) as { board: number }).board;
  expect(services.board).toMatchObject({ command: ["replica", "board"], ports: [`127.0.0.1:${8080 + offset}:8080`] });
  for (const name of ["gateway", "relay", "stream", "board", "console"])
    expect(services[name]?.environment).toMatchObject({ KAFKA_BROKERS: "redpanda:9092" });
});

test("migrations and their record are what generate makes of the declaration", async () => {
  const project = await loadProject(join(import.meta.dirname, "template/lockstep.config.ts"));
  const migrations = { source: [], replicas: { board: [] } };
  const options = { renames: [], contract: false, recordOnly: false };
  const made = generate({ ...project, migrations }, emptySnapshot, options);
  expect(made.files.size).toBe(2);
  for (const [path, text] of [...made.files, ["snapshot.json", snapshotText(made.snapshot)] as const])
    expect(readFileSync(join(import.meta.dirname, "template/migrations", path), "utf8")).toBe(text);
});

test("package.json has what the project needs, and README.md fits on a page", () => {
  const files = project();
  const { name, scripts, dependencies } = JSON.parse(files.get("package.json")!);
  expect({ name, dependencies }).toEqual({
    name: "my-shop",
    dependencies: { lockstep: "file:vendor/lockstep-0.1.0.tgz" },
  });
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["up", "down", "status", "test", "lockstep"]));
  expect(files.get("README.md")!.split("\n").length).toBeLessThanOrEqual(41);
});

test("the name of a folder becomes a package name", () => {
  expect(["My shop", "a_b.c", "--", "shop"].map(packageName)).toEqual(["my-shop", "a-b-c", "my-lockstep", "shop"]);
});
