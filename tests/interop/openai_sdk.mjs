// Sends one conversation through the official openai SDK to the base URL in argv[2].
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.BELUGA_INTEROP_DIR + "/package.json");
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")));

const client = new OpenAI({ apiKey: "sk-interop", baseURL: process.argv[2], maxRetries: 0 });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const stream = await client.chat.completions.create({
  model: "gpt-4o",
  messages: [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "What is the weather here?" },
        { type: "image_url", image_url: { url: "data:image/png;base64," + Buffer.from("\x89PNG", "latin1").toString("base64"), detail: "low" } },
        { type: "image_url", image_url: { url: "https://example.com/map.jpg" } },
        { type: "input_audio", input_audio: { data: Buffer.from("RIFF").toString("base64"), format: "wav" } },
        { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64," + Buffer.from("%PDF").toString("base64") } },
      ],
    },
    {
      role: "assistant",
      content: null,
      tool_calls: [
        { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Zürich"}' } },
        { id: "call_2", type: "function", function: { name: "get_weather", arguments: '{"city":"Bern"}' } },
      ],
    },
    { role: "tool", tool_call_id: "call_1", content: "sunny" },
    { role: "tool", tool_call_id: "call_2", content: "rain" },
    { role: "assistant", content: "Sunny in Zürich." },
    { role: "user", content: "As JSON, please." },
  ],
  tools: [{ type: "function", function: { name: "get_weather", description: "The weather", parameters, strict: true } }],
  tool_choice: { type: "function", function: { name: "get_weather" } },
  parallel_tool_calls: false,
  response_format: { type: "json_schema", json_schema: { name: "report", schema: parameters, strict: true } },
  temperature: 0.5,
  top_p: 0.9,
  max_completion_tokens: 200,
  stop: ["END"],
  seed: 7,
  reasoning_effort: "low",
  stream: true,
  stream_options: { include_usage: true },
});
for await (const _ of stream);
