// What every file of checks shares: the runner, the simulator's journal, and conversations that script the simulator.
//
// Clients find the bridge by OPENAI_BASE_URL and OPENAI_API_KEY in the environment, as they do for any user.
// JOURNAL_URL answers with what the simulated upstream has seen so far, as JSON.

import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';

export const GPT = 'gpt-5.5';
export const CLAUDE = 'claude-opus-4-7';
export const GEMINI = 'gemini-3.1-pro-preview';
export const KIMI = 'kimi-k2.6';

const checks = [];
const strays = [];

// A library that calls anything but this machine fails the run, even if it says nothing.
subscribe('undici:client:beforeConnect', ({ connectParams: { hostname } }) => {
  if (hostname !== '127.0.0.1') strays.push(hostname);
});

/** Registers a check; checks run one after the other, in the order of the file. */
export function check(name, body) {
  checks.push({ name, body });
}

/** Runs every check, prints one line for each, and exits non-zero when one failed. */
export async function run() {
  let failed = 0;
  for (const { name, body } of checks) {
    try {
      await body();
      console.log(`ok    ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}\n${error?.stack ?? error}`);
    }
  }
  if (strays.length) {
    failed += 1;
    console.log(`FAIL  nothing but the bridge is called\n${strays}`);
  }
  process.exitCode = failed ? 1 : 0;
}

export const user = (content) => [{ role: 'user', content }];

/** A conversation whose text tells the simulator how to behave. */
export const marked = (script, text = 'count 1 to 3') => user(`${text} [[fox: ${script}]]`);

export async function journal() {
  const answer = await fetch(process.env.JOURNAL_URL, { signal: AbortSignal.timeout(60_000) });
  return answer.json();
}

/** The action must make the upstream accept exactly this many tasks. */
export async function buys(tasks, action) {
  const before = (await journal()).tasks_accepted;
  const outcome = await action();
  assert.equal((await journal()).tasks_accepted - before, tasks, 'tasks bought');
  return outcome;
}

/** Waits for what the other side of a socket does in its own time. */
export async function eventually(condition, boundMs = 10_000) {
  const until = performance.now() + boundMs;
  while (!(await condition())) {
    assert.ok(performance.now() < until, `not so within ${boundMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
