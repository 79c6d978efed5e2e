// The SDK's client without its retries, and what is sent and read by it.

import OpenAI from 'openai';
import { user } from './harness.mjs';

export const client = (options = {}) => new OpenAI({ maxRetries: 0, ...options });

/** The text of one choice. */
export const joined = (chunks, nth = 0) =>
  chunks
    .flatMap((chunk) => chunk.choices)
    .filter((choice) => choice.index === nth)
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
