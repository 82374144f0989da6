// Makes a clip with Replicate's own client; sees an unknown model, a wrong key and a refused prompt.

const Replicate = require("replicate");

const [baseUrl, key] = process.argv.slice(2);
const client = new Replicate({ auth: key, baseUrl: `${baseUrl}/v1` });
const stranger = new Replicate({ auth: "not-a-key", baseUrl: `${baseUrl}/v1` });

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    if (!error.response) throw error;
    return { status: error.response.status };
  }
  return null;
}

async function predict(prompt, model = "google/veo-3.1-fast") {
  const prediction = await client.predictions.create({ model, input: { prompt } });
  try {
    return await client.wait(prediction);
  } catch {
    // Thrown for one that failed, without what is known of it.
    return client.predictions.get(prediction.id);
  }
}

async function main() {
  const made = await predict("a lighthouse in a storm");
  const refused = await predict("a storm [sandbox:policy]");
  console.log(JSON.stringify({
    status: made.status,
    url: made.output,
    refused: { status: refused.status, reason: refused.error },
    unknown_model: await errorOf(() => predict("a boat", "google/no-such-model")),
    wrong_key: await errorOf(() => stranger.predictions.get(made.id)),
  }));
}

main();
