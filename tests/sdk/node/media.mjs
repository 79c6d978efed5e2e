// What is seen, heard and read besides text: OpenAI's parts in, the upstream's out.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { GEMINI, buys, check, journal, run, user } from './harness.mjs';
import { client } from './support.mjs';

// The bridge of these checks uploads what is longer than 64 KiB.
const SHORT = Buffer.from('some bytes of media').toString('base64');
const LONG = Buffer.alloc(80_000, 'media').toString('base64');

const ask = (...parts) =>
  client().chat.completions.create({
    model: GEMINI,
    messages: user([{ type: 'text', text: 'describe this' }, ...parts]),
  });
const audio = (data) => ({ type: 'input_audio', input_audio: { data, format: 'wav' } });
const file = (file) => ({ type: 'file', file });
const image = (url) => ({ type: 'image_url', image_url: { url, detail: 'high' } });

/** Asks about the parts, and returns the answer's text and the parts that were submitted. */
async function submitted(...parts) {
  const completion = await buys(1, () => ask(...parts));
  const [message] = (await journal()).submissions.at(-1).messages;
  return { said: completion.choices[0].message.content, media: message.content.slice(1) };
}

check('audio, files and images are taken', async () => {
  const pdf = `data:application/pdf;base64,${SHORT}`;
  const seen = image(`data:image/png;base64,${SHORT}`);
  const { said, media } = await submitted(audio(SHORT), file({ file_data: pdf, filename: 'report.pdf' }), seen);
  assert.match(said, /1 image, 1 audio clip, 1 file/);
  assert.deepEqual(media, [
    { type: 'audio_url', audio_url: { url: `data:audio/wav;base64,${SHORT}` } },
    { type: 'file_url', file_url: { url: pdf } },
    seen,
  ]);
});

check('what is too long to be sent inline is uploaded first', async () => {
  const before = (await journal()).uploads.length;
  const { said, media } = await submitted(audio(LONG), image(`data:image/png;base64,${LONG}`));
  assert.match(said, /1 image, 1 audio clip/);
  const uploads = (await journal()).uploads.slice(before);
  assert.equal(uploads.length, 2);
  assert.ok(uploads.every(({ file_data }) => file_data.endsWith(`;base64,${LONG}`)));
  const [heard, seen] = media;
  assert.match(heard.audio_url.url, /^http.*\.wav$/);
  assert.match(seen.image_url.url, /^http.*\.png$/);
  assert.equal(seen.image_url.detail, 'high');
});

check('a file that only OpenAI has is refused, and costs nothing', async () => {
  await buys(0, () =>
    assert.rejects(ask(file({ file_id: 'file-abc' })), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'messages[0].content[1].file.file_id');
      return true;
    }),
  );
});

await run();
