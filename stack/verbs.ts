/** The package `lockstep/verbs`: runs an operator's command, such as `verify`, from a program. */
import { spawn } from "node:child_process";
import { programArguments } from "./program.ts";

/** Where {@link runVerb} runs a verb. */
export interface VerbOptions {
  /** Data folder of the stack. Default: `.lockstep`. Without a stack, the addresses come from the settings. */
  readonly data?: string;
  /** File of the project. Default: LOCKSTEP_CONFIG, else `lockstep.config.ts`. */
  readonly config?: string;
  /** Settings beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a verb found. */
export interface VerbResult {
  /** 0: as it should be. What else it may be is in the help of the verb: `lockstep verify --help`. */
  readonly status: number;
  /** What `--json` prints; undefined when the verb failed before. */
  readonly document: unknown;
  /** What the verb printed to standard error. */
  readonly error: string;
}

/**
 * Runs `lockstep VERB --json` to its end. Never rejects.
 *
 * @param verb the verb and its arguments: `["verify"]`, `["dead-letters", "list"]`.
 */
export async function runVerb(verb: readonly string[], options: VerbOptions = {}): Promise<VerbResult> {
  const { data, config, env } = options;
  const flags = [
    "--json",
    ...(data === undefined ? [] : ["--data", data]),
    ...(config === undefined ? [] : ["--config", config]),
  ];
  const { status, stdout, stderr } = await runProgram([...verb, ...flags], env);
  return { status, document: parsed(stdout), error: stderr };
}

/** Runs this program with arguments of `lockstep`. Never rejects; status 127: it could not be started. */
export function runProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [...programArguments, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (chunk: Buffer) => {
      output[name] += chunk.toString();
    });
  return new Promise((settle) => {
    child.once("error", ({ message }) => settle({ status: 127, ...output, stderr: message }));
    child.once("close", (status) => settle({ status: status ?? 1, ...output }));
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
