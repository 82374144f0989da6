// Makes a clip with fal's own client, whose hosts are changed by a middleware; sees an unknown model, a wrong key, a wrong
// field and a refused prompt.

const { ApiError, createFalClient } = require("@fal-ai/client");

const [baseUrl, key] = process.argv.slice(2);
const MODEL = "fal-ai/veo3.1/fast";

function clientWith(credentials) {
  const requestMiddleware = async (request) => ({
    ...request,
    url: request.url.replace("https://queue.fal.run", baseUrl),
  });
  return createFalClient({ credentials, requestMiddleware });
}

const client = clientWith(key);
const stranger = clientWith("not-a-key");

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { detail } = error.body;
    const fields = Array.isArray(detail) ? detail.map((problem) => problem.loc.at(-1)) : [];
    return { status: error.status, fields };
  }
  return null;
}

const submit = (client, model, prompt) => client.queue.submit(model, { input: { prompt } });

async function main() {
  const { request_id: requestId } = await submit(client, MODEL, "a lighthouse in a storm");
  const { status } = await client.queue.subscribeToStatus(MODEL, { requestId, pollInterval: 200 });
  const { data } = await client.queue.result(MODEL, { requestId });
  const refused = { input: { prompt: "a storm [sandbox:policy]" }, pollInterval: 200 };
  console.log(JSON.stringify({
    status,
    url: data.video.url,
    content_type: data.video.content_type,
    refused: await errorOf(() => client.subscribe(MODEL, refused)),
    wrong_field: await errorOf(() => submit(client, MODEL, ["a list"])),
    unknown_model: await errorOf(() => submit(client, "fal-ai/no-such-model", "a boat")),
    wrong_key: await errorOf(() => submit(stranger, MODEL, "a boat")),
  }));
}

main();
