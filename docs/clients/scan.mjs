#!/usr/bin/env node
// Has a file scanned by Lazaret's verdict API before it goes anywhere.
//
//     LAZARET_USER=... LAZARET_PASSWORD=... node scan.mjs https://lazaret.example.com FILE
//
// Exit code: 0 clean, 1 something was found, 2 nobody knows. Needs: Node 18 or newer, no package.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

// A large archive may take an hour. (fetch() gives up after five minutes without an answer.)
const TIMEOUT_MS = 4_000_000;
// A full server says 429, one that can't scan right now 503: both say when to come again.
const TRIES = 5;

/** One exchange. `body` is a function, so that each try reads from the beginning. */
async function exchange(url, headers, body) {
  const { request } = url.protocol === 'https:' ? https : http;
  const sending = request(url, { method: 'POST', headers, timeout: TIMEOUT_MS });
  sending.on('timeout', () => sending.destroy(new Error('no answer in time')));
  const answered = new Promise((resolve, reject) => sending.on('response', resolve).on('error', reject));
  // an answer may come before all is sent, and says why
  const sent = pipeline(body(), sending).catch(() => {});
  const response = await answered;
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  await sent;
  return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() };
}

async function post(url, headers, body) {
  for (let left = TRIES - 1; ; left--) {
    const answer = await exchange(url, headers, body);
    if ([429, 503].includes(answer.status) && left > 0) {
      await sleep(1000 * Number(answer.headers['retry-after'] ?? 2));
      continue;
    }
    let document;
    try {
      document = JSON.parse(answer.text);
    } catch {
      throw new Error(`${answer.status}: no answer of the API`);
    }
    if (answer.status !== 200) throw new Error(`${answer.status}: ${shown(document.errorMessage)}`);
    return document;
  }
}

async function scan(baseUrl, user, password, path) {
  const { size } = await stat(path);
  const credentials = Buffer.from(JSON.stringify({ username: user, password }));
  // a token counts for an hour, and for any number of files: keep it if you have many
  const { accessToken } = await post(
    new URL('/api/Token', baseUrl),
    { 'content-type': 'application/json', 'content-length': credentials.length },
    () => Readable.from([credentials]),
  );
  const headers = {
    authorization: `Bearer ${accessToken}`,
    'content-type': 'application/octet-stream',
    'content-length': size,
    'file-name': encodeURIComponent(basename(path)),
  };
  // a stream is sent as it is read: the file need not fit into memory
  return post(new URL('/api/Scan', baseUrl), headers, () => createReadStream(path));
}

/** Names of members come from whoever made the archive: what is beyond ASCII, or obeyed by a terminal, is spelled out. */
function shown(text) {
  return JSON.stringify(text ?? '').replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const [baseUrl, path] = process.argv.slice(2);
const { LAZARET_USER: user, LAZARET_PASSWORD: password } = process.env;
if (process.argv.length !== 4 || !user || !password) {
  console.error('usage: LAZARET_USER=... LAZARET_PASSWORD=... node scan.mjs BASE-URL FILE');
  process.exit(2);
}
try {
  const answer = await scan(baseUrl, user, password, path);
  console.log(`${path}: ${answer.result}`);
  for (const { file, infection } of answer.detectedInfections) console.log(`  ${shown(infection)} in ${shown(file)}`);
  if (answer.errorMessage) console.log(`  ${shown(answer.errorMessage)}`);
  // whatever is not Clean is not: also what nobody could read
  process.exitCode = { Clean: 0, Infected: 1, InfectedAllowed: 1 }[answer.result] ?? 2;
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}
