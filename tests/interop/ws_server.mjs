// The npm package "ws" as an echo server. Prints its port; ends when its standard input ends. The path chooses how it
// compresses. Text commands: "close CODE REASON" closes, "ping" pings, "terminate" drops the connection, "pieces N"
// sends the next message back in fragments of N bytes; all else is echoed.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
const { WebSocketServer } = createRequire(process.env.BELUGA_INTEROP_DIR + '/package.json')('ws');

const ways = {
  '/plain': false,
  '/deflate': { threshold: 0 },
  '/server-forgets': { threshold: 0, serverNoContextTakeover: true },
  '/client-forgets': { threshold: 0, clientNoContextTakeover: true },
  '/both-forget': { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  '/stored': { threshold: 0, zlibDeflateOptions: { level: 0 } },
  '/fixed': { threshold: 0, zlibDeflateOptions: { strategy: 4 } },
  '/small-chunks': { threshold: 0, zlibDeflateOptions: { chunkSize: 64, memLevel: 1 } },
};
const servers = Object.fromEntries(Object.entries(ways).map(([path, perMessageDeflate]) => {
  const server = new WebSocketServer({ noServer: true, perMessageDeflate, handleProtocols: () => 'chosen' });
  server.on('connection', (socket) => {
    let pieces = 0;
    socket.on('error', () => {});
    socket.on('message', (data, binary) => {
      const text = binary || data.length > 100 ? '' : data.toString();
      const [command, argument, ...reason] = text.split(' ');
      if (command === 'close') socket.close(Number(argument), reason.join(' '));
      else if (command === 'terminate') socket.terminate();
      else if (command === 'ping') socket.ping('from ws', () => socket.once('pong', (pong) => socket.send(`pong ${pong}`)));
      else if (command === 'pieces') pieces = Number(argument);
      else if (pieces === 0) socket.send(data, { binary });
      else {
        for (let at = 0; at < data.length; at += pieces) {
          socket.send(data.subarray(at, at + pieces), { binary, fin: false });
          socket.ping('between');
        }
        socket.send('', { binary, fin: true });
        pieces = 0;
      }
    });
  });
  return [path, server];
}));
const http = createServer();
http.on('upgrade', (request, socket, head) => {
  const server = servers[request.url];
  server.handleUpgrade(request, socket, head, (peer) => server.emit('connection', peer));
});
http.listen(0, '127.0.0.1', () => console.log(http.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
