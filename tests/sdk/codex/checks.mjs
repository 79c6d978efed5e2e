// Codex CLI without a terminal: each run of `codex exec` has a home, a folder and a configuration of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CLAUDE, GEMINI, GPT, KIMI, buys, check, journal, marked, run } from './harness.mjs';

const CODEX = createRequire(import.meta.url).resolve('@openai/codex/bin/codex.js');
/** A model that Codex does not know, so that it offers nothing but functions; it is GPT's other name here. */
const OTHER_NAME = 'gpt-4o';

// What README.md says of Codex, and that it is to call nobody else.
const CONFIG = `
model_provider = "fox"
web_search = "disabled"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[agents]
enabled = false

[analytics]
enabled = false

[features]
plugins = false

[model_providers.fox]
name = "fox"
base_url = "${process.env.OPENAI_BASE_URL}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
`;

// Whatever Codex wants elsewhere, it would ask of this proxy.
const strays = [];
const trap = createServer((socket) => {
  socket.once('data', (head) => {
    strays.push(`${head}`.split('\r\n', 1)[0]);
    socket.destroy();
  });
});
await new Promise((resolve) => trap.listen(0, '127.0.0.1', resolve));
const elsewhere = `http://127.0.0.1:${trap.address().port}`;

const promptOf = (script) => marked(script)[0].content;
const rolesSent = async () => (await journal()).submissions.at(-1).messages.map(({ role }) => role);

const room = await mkdtemp(join(tmpdir(), 'codex-'));
const home = join(room, 'home');
const work = join(room, 'work');
await Promise.all([home, work].map((folder) => mkdir(folder)));
await writeFile(join(home, 'config.toml'), CONFIG);

/** Runs Codex to its end; returns its exit code and what it told, by the type of the event or item. */
async function codex(...given) {
  const child = spawn(process.execPath, [CODEX, 'exec', '--json', '--skip-git-repo-check', ...given], {
    cwd: work,
    env: { ...process.env, CODEX_HOME: home, HTTP_PROXY: elsewhere, HTTPS_PROXY: elsewhere, NO_PROXY: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = new Promise((resolve) => child.once('close', resolve));
  const [said, complaints, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  const events = said
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const items = events.filter(({ type }) => type === 'item.completed').map(({ item }) => item);
  const all = (type) => [...items, ...events].filter((told) => told.type === type);
  return { code, all, answer: all('agent_message').at(-1)?.text, told: `${said}${complaints}` };
}

const finished = (outcome) => {
  assert.equal(outcome.code, 0, outcome.told);
  assert.equal(outcome.all('turn.completed').length, 1, outcome.told);
  return outcome;
};

check('every model family answers', async () => {
  // For a model that it knows, such as GPT, Codex offers a tool for plain text besides its functions.
  for (const model of [GPT, OTHER_NAME, CLAUDE, GEMINI, KIMI]) {
    const { answer, all, told } = finished(await buys(1, () => codex('-m', model, 'count 1 to 3')));
    assert.match(answer, /A system prompt is present\. .*count 1 to 3/, told);
    const [{ usage }] = all('turn.completed');
    assert.ok(usage.input_tokens > 0 && usage.output_tokens > 0);
    assert.deepEqual(await rolesSent(), ['developer', 'developer', 'user', 'user']);
  }
});

check('thoughts are shown', async () => {
  const { all, told } = finished(await buys(1, () => codex('-m', KIMI, 'think')));
  const [{ usage }] = all('turn.completed');
  assert.match(all('reasoning')[0]?.text ?? told, /^Let me see/);
  assert.ok(usage.reasoning_output_tokens > 0);
});

check('a command is run by a function call, and the run ends with an answer', async () => {
  // The simulated model gives each argument that is a text the last proper name of the prompt: here this is the
  // command, its folder and its shell, for which Codex takes another one.
  const script = join(work, 'Fox/run/Fox/run');
  await mkdir(join(script, '..'), { recursive: true });
  await writeFile(script, '#!/bin/sh\necho the-fox-ran | tee trace\n');
  await chmod(script, 0o755);
  for (const model of [OTHER_NAME, KIMI]) {
    const { answer, all, told } = finished(await buys(2, () => codex('-m', model, 'use exec_command for Fox/run')));
    const [command] = all('command_execution');
    assert.equal(command?.exit_code, 0, told);
    assert.match(command.aggregated_output, /the-fox-ran/);
    assert.equal(await readFile(join(work, 'Fox/run/trace'), 'utf8'), 'the-fox-ran\n');
    await rm(join(work, 'Fox/run/trace'));
    assert.match(answer, /The tool exec_command answered: .*exited with code 0/s);
    assert.deepEqual((await rolesSent()).slice(-3), ['user', 'assistant', 'tool']);
  }
});

check('images are seen, attached and by a function call', async () => {
  const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  await writeFile(join(work, 'Fox.png'), Buffer.from(pixel, 'base64'));
  // Codex tells the model of the image in words that would call the tool, were there no words to answer.
  finished(await buys(1, () => codex('-m', OTHER_NAME, '-i', 'Fox.png', '--', promptOf('words=3'))));
  const { content } = (await journal()).submissions.at(-1).messages.at(-1);
  assert.ok(content.some(({ image_url }) => image_url?.url === `data:image/png;base64,${pixel}`));
  const viewed = finished(await buys(2, () => codex('-m', OTHER_NAME, 'use view_image for Fox.png')));
  assert.match(viewed.answer, /You attached 1 image\./);
});

check('a conversation is taken up again', async () => {
  const { answer } = finished(await codex('-m', KIMI, 'My name is Vera.'));
  finished(await buys(1, () => codex('resume', '--last', '-m', KIMI, 'Who am I?')));
  const messages = (await journal()).submissions.at(-1).messages.slice(-3);
  assert.deepEqual(
    messages.map(({ role }) => role),
    ['user', 'assistant', 'user'],
  );
  const sent = JSON.stringify(messages);
  for (const words of ['My name is Vera.', JSON.stringify(answer), 'Who am I?']) assert.ok(sent.includes(words), sent);
});

check('an answer fits its schema', async () => {
  const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
  const file = join(work, 'schema.json');
  await writeFile(file, JSON.stringify({ ...schema, additionalProperties: false }));
  const { answer } = finished(await codex('-m', OTHER_NAME, '--output-schema', file, 'Plan an event.'));
  assert.equal(typeof JSON.parse(answer).name, 'string');
});

check('a failure is told in words and buys nothing more', async () => {
  for (const [script, tasks] of [
    ['words=12 task=failed fail-after=5 error-message="the wheel came off"', 1],
    ['task=failed error-message="the wheel came off"', 1],
    ['submit=503x*', 0],
  ]) {
    const { code, all, told } = await buys(tasks, () => codex('-m', OTHER_NAME, promptOf(script)));
    assert.notEqual(code, 0);
    assert.equal(all('turn.failed').length, 1, told);
    if (tasks) assert.match(all('turn.failed')[0].error.message, /the wheel came off/);
  }
});

check('a patch is written by a tool for plain text', async () => {
  // The simulated model gives the last proper name of the prompt, which is no patch; that is told to it in the tool's output.
  const { answer } = finished(await buys(2, () => codex('-m', GPT, 'use apply_patch for Fox/run')));
  assert.match(answer, /The tool apply_patch answered: .*patch/s);
  assert.deepEqual((await rolesSent()).slice(-3), ['user', 'assistant', 'tool']);
});

check('a tool that only OpenAI has is refused by name, and costs nothing', async () => {
  const { code, all, told } = await buys(0, () => codex('-m', KIMI, '-c', 'web_search="live"', 'count 1 to 3'));
  assert.notEqual(code, 0);
  assert.match(all('turn.failed')[0]?.error.message ?? told, /'tools\[\d+\]' is 'web_search'/);
});

check('nothing but the bridge is called', () => assert.deepEqual(strays, []));

await run();
trap.close();
await rm(room, { recursive: true });
