// The npm package "ws" as a client against our server (first argument: its ws:// URL, which echoes).
// Prints "ok <number of checks>", or says what differed.
import { createRequire } from 'node:module';
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
const { WebSocket } = createRequire(process.env.BELUGA_INTEROP_DIR + '/package.json')('ws');

const url = process.argv[2];
let checks = 0;

function connect(options = {}, protocols = []) {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
  const inbox = [];
  const waiting = [];
  socket.on('message', (data, binary) => {
    const message = { data: Buffer.from(data), binary };
    if (waiting.length) waiting.shift().resolve(message);
    else inbox.push(message);
  });
  const closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  socket.on('error', () => {});
  closed.then(() => waiting.forEach((w) => w.reject(new Error('closed'))));
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve({
      socket,
      closed,
      next: () => inbox.length ? Promise.resolve(inbox.shift())
        : new Promise((resolve_, reject_) => waiting.push({ resolve: resolve_, reject: reject_ })),
    }));
    socket.once('error', reject);
  });
}

async function expect(peer, data, binary) {
  const back = await peer.next();
  assert.strictEqual(back.binary, binary);
  assert.ok(back.data.equals(Buffer.from(data)), `echo of ${data.length} bytes differs`);
  ++checks;
}

async function echo(peer, data, binary) {
  peer.socket.send(data, { binary });
  await expect(peer, data, binary);
}

async function main() {
  const deflates = [
    false,
    { threshold: 0 },
    { threshold: 0, serverNoContextTakeover: true },
    { threshold: 0, clientNoContextTakeover: true },
    { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
    { threshold: 0, serverMaxWindowBits: 9 },
    { threshold: 0, clientMaxWindowBits: 9 },
    { threshold: 0, zlibDeflateOptions: { level: 0 } },
    { threshold: 0, zlibDeflateOptions: { strategy: 4 } },
  ];
  for (const perMessageDeflate of deflates) {
    const peer = await connect({ perMessageDeflate });
    assert.strictEqual(peer.socket.extensions.includes('permessage-deflate'), perMessageDeflate !== false);
    for (const size of [0, 1, 2, 31, 32, 125, 126, 127, 1000, 65535, 65536, 65537, 300_000, 1_000_000]) {
      await echo(peer, Buffer.alloc(size, 0xfe), true);
      await echo(peer, randomBytes(size), true);
      await echo(peer, 'ä'.repeat(size / 2), false);
    }
    for (const piece of [1, 7, 1000]) {
      const text = 'fragment ß '.repeat(piece === 1000 ? 2000 : 20);
      const bytes = Buffer.from(text);
      const pong = new Promise((resolve) => peer.socket.once('pong', (data) => resolve(data.toString())));
      for (let at = 0; at < bytes.length; at += piece) {
        peer.socket.send(bytes.subarray(at, at + piece), { fin: at + piece >= bytes.length, binary: false });
        if (at === 0) peer.socket.ping('between');
      }
      assert.strictEqual(await pong, 'between');
      await expect(peer, text, false);
    }
    peer.socket.close(4321, 'bye');
    assert.strictEqual((await peer.closed).code, 4321);
    ++checks;
  }

  {
    const peer = await connect({}, ['x', 'a']);
    assert.strictEqual(peer.socket.protocol, 'a');
    peer.socket.close();
    await peer.closed;
    ++checks;
  }

  // Invalid UTF-8 in a text frame, plain and compressed: closed with 1007.
  for (const perMessageDeflate of [false, { threshold: 0 }]) {
    const peer = await connect({ perMessageDeflate });
    peer.socket.send(Buffer.from([0xc0, 0xaf]), { binary: false });
    assert.strictEqual((await peer.closed).code, 1007);
    ++checks;
  }

  // 50 clients at once, 20 messages each.
  await Promise.all(Array.from({ length: 50 }, async (_, n) => {
    const peer = await connect({ perMessageDeflate: n % 2 === 0 });
    for (let i = 0; i < 20; ++i) await echo(peer, `client ${n} message ${i}`, false);
    peer.socket.close(1000);
    await peer.closed;
  }));
}

main().then(() => console.log(`ok ${checks}`), (error) => console.log(`failed: ${error.stack.replaceAll('\n', ' ')}`))
  .finally(() => process.exit(0));
