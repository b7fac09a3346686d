// Starts @copilotkit/aimock on a free port of 127.0.0.1, prints its URL, and ends when stdin closes.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.BELUGA_INTEROP_DIR + "/package.json");
const { LLMock } = await import(pathToFileURL(require.resolve("@copilotkit/aimock")));

const mock = new LLMock({ port: 0, host: "127.0.0.1", chunkSize: 7 });
mock.on({ userMessage: "weather", hasToolResult: false }, {
  toolCalls: [
    { name: "get_weather", arguments: '{"city":"Zürich"}' },
    { name: "get_time", arguments: '{"zone":"Europe/Zurich"}' },
  ],
});
mock.on({ userMessage: "weather", hasToolResult: true }, { content: "In Zürich it is sunny 🌞 and half past nine." });
mock.on({ userMessage: "think" }, { content: "42", reasoning: "Six times seven." });
mock.on({ userMessage: "structured" }, { content: '{"name":"Beluga"}' });
mock.on({ userMessage: "limit" }, {
  error: { message: "Rate limit reached", type: "requests", code: "rate_limit_exceeded" }, status: 429, retryAfter: 2,
});
mock.on({ userMessage: "overload" }, { error: { message: "Overloaded", type: "server_error" }, status: 503 });
mock.on({ userMessage: "key" }, {
  error: { message: "Incorrect API key provided", type: "invalid_request_error", code: "invalid_api_key" }, status: 401,
});
mock.on({ userMessage: "disconnect" }, { content: "never whole" }, { chaos: { disconnectRate: 1 } });
mock.on({ userMessage: "malformed" }, { content: "never whole" }, { chaos: { malformedRate: 1 } });
mock.on({ userMessage: "drop" }, { content: "never whole" }, { chaos: { dropRate: 1 } });
mock.on({ userMessage: "truncate" }, { content: "a long answer that is cut off somewhere in the middle" }, { truncateAfterChunks: 3 });
await mock.start();
process.stdout.write(mock.url + "\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
