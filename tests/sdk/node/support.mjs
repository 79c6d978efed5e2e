// What every file of checks shares: the clients, the simulator's journal and the runner.
//
// The SDK reads OPENAI_BASE_URL and OPENAI_API_KEY from the environment, as it does for any user.
// JOURNAL_URL answers with what the simulated upstream has seen so far, as JSON.

import assert from 'node:assert/strict';
import OpenAI from 'openai';

export const GPT = 'gpt-5.5';
export const CLAUDE = 'claude-opus-4-7';
export const GEMINI = 'gemini-3.1-pro-preview';
export const KIMI = 'kimi-k2.6';

const checks = [];

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
  process.exitCode = failed ? 1 : 0;
}

export const client = (options = {}) => new OpenAI({ maxRetries: 0, ...options });

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

/** The text of the first choice. */
export const joined = (chunks) =>
  chunks
    .flatMap((chunk) => chunk.choices)
    .filter((choice) => choice.index === 0)
    .map((choice) => choice.delta.content ?? '')
    .join('');

const text = (words) => ({ type: 'text', text: words });
const media = (kind, file) => ({ type: `${kind}_url`, [`${kind}_url`]: { url: `https://example.com/${file}` } });
/** The seven message shapes of the upstream's documentation. */
export const SHAPES = {
  'plain text': user('count 1 to 3'),
  'text part': user([text('count 1 to 3')]),
  'text and image': user([text('describe this image'), media('image', 'x.png')]),
  'text and video': user([text('summarize this video'), media('video', 'clip.mp4')]),
  'text and file': user([text('extract key points'), media('file', 'doc.pdf')]),
  'several turns': [
    { role: 'system', content: 'You are a terse assistant.' },
    { role: 'user', content: '1+1?' },
    { role: 'assistant', content: '2' },
    { role: 'user', content: '3+3?' },
  ],
  'all kinds of attachments': user([
    text('Summarize the key information from the following images, videos, audio, and documents'),
    ...['image-1.png', 'image-2.jpg'].map((file) => media('image', file)),
    ...['clip-1.mp4', 'clip-2.mp4'].map((file) => media('video', file)),
    ...['audio-1.mp3', 'audio-2.wav'].map((file) => media('audio', file)),
    ...['doc-1.pdf', 'doc-2.docx'].map((file) => media('file', file)),
  ]),
};
