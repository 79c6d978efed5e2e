// With white space ahead of answers that take long (`server.sync_keepalive`).

import assert from 'node:assert/strict';
import { GPT, buys, check, marked, run } from './harness.mjs';
import { client } from './support.mjs';

const create = (script, options) =>
  client(options).chat.completions.create({ model: GPT, messages: marked(script) });

check('white space ahead of an answer is no part of it', async () => {
  const raw = await create('text=late queue=300ms').asResponse();
  const text = await raw.text();
  assert.ok(text.startsWith('  '), text.slice(0, 9));
  const completion = await create('text=late queue=300ms');
  assert.equal(completion.choices[0].message.content, 'late');
});

check('a failure behind white space is no answer, and buys nothing again', async () => {
  await buys(1, () =>
    assert.rejects(create('queue=300ms task=failed', { maxRetries: 2 }), (error) => {
      assert.match(String(error), /terminated/);
      return true;
    }),
  );
});

await run();
