// Makes a clip with Google's own client of Vertex AI; sees an unknown model, a wrong key and a refused prompt.

const { writeFile } = require("node:fs/promises");
const { setTimeout: pause } = require("node:timers/promises");
const { ApiError, GoogleGenAI } = require("@google/genai");

const [baseUrl, key, model, clip] = process.argv.slice(2);
const client = new GoogleGenAI({ vertexai: true, apiKey: key, httpOptions: { baseUrl } });
const stranger = new GoogleGenAI({ vertexai: true, apiKey: "not-a-key", httpOptions: { baseUrl } });

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { class: error.constructor.name, code: error.status };
  }
  return null;
}

async function make(prompt) {
  const config = { aspectRatio: "9:16", durationSeconds: 8, generateAudio: true };
  let operation = await client.models.generateVideos({ model, source: { prompt }, config });
  while (!operation.done) {
    await pause(200);
    operation = await client.operations.getVideosOperation({ operation });
  }
  return operation;
}

// An operation that made nothing says why in one of two places.
function reasons(operation) {
  return operation.error ? [operation.error.message] : operation.response.raiMediaFilteredReasons;
}

async function main() {
  const made = await make("a lighthouse in a storm");
  await writeFile(clip, made.response.generatedVideos[0].video.videoBytes, "base64");
  console.log(JSON.stringify({
    name: made.name,
    refused: reasons(await make("a storm [sandbox:policy]")),
    unknown_model: await errorOf(() =>
      client.models.generateVideos({ model: "no-such-model", source: { prompt: "a boat" } })),
    wrong_key: await errorOf(() => stranger.operations.getVideosOperation({ operation: made })),
  }));
}

main();
