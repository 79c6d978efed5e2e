// Tasks that outlast the bridge's deadline, which is short here: the SDK's own retries wait on for what was bought.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { GPT, buys, check, marked, run } from './harness.mjs';
import { client } from './support.mjs';

const create = (script) =>
  client({ maxRetries: 2 }).chat.completions.create({ model: GPT, messages: marked(script) });

check('a retry waits on for the task that was bought', async () => {
  const completion = await buys(1, () => create('text=patience first-chunk=1500ms'));
  assert.equal(completion.choices[0].message.content, 'patience');
});

check('a task that never ends is bought once and given up', async () => {
  await buys(1, () =>
    assert.rejects(create('task=stuck'), (error) => {
      assert.equal(error.constructor, OpenAI.InternalServerError, String(error));
      assert.equal(error.code, 'task_deadline_exceeded');
      return true;
    }),
  );
});

await run();
