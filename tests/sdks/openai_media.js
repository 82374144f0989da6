// Makes images and speech with OpenAI's own client; sees a refused prompt and a wrong field.

const { createReadStream } = require("node:fs");
const { writeFile } = require("node:fs/promises");
const OpenAI = require("openai");

const [baseUrl, key, folder] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0 });

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { class: error.constructor.name, status: error.status, code: error.code };
  }
  return null;
}

// Without a type the service would refuse a stream.
const picture = (name) => OpenAI.toFile(createReadStream(`${folder}/${name}`), name, { type: "image/png" });
const save = (name, image) => writeFile(`${folder}/${name}`, Buffer.from(image.b64_json, "base64"));

async function speak(format) {
  const speech = await client.audio.speech.create({
    model: "tts-1", voice: "alloy", input: "hello, lamp", response_format: format,
  });
  await writeFile(`${folder}/speech.${format}`, Buffer.from(await speech.arrayBuffer()));
}

async function main() {
  const made = await client.images.generate({
    model: "gpt-image-1", prompt: "a lighthouse in a storm", n: 2, size: "1536x1024", quality: "low",
  });
  await Promise.all(made.data.map((image, number) => save(`made-${number}.png`, image)));
  const edited = await client.images.edit({
    model: "gpt-image-1",
    prompt: "both in one",
    image: [await picture("made-0.png"), await picture("made-1.png")],
  });
  await save("edited.png", edited.data[0]);
  const redone = await client.images.edit({
    model: "dall-e-2",
    prompt: "the same by night",
    image: await picture("edited.png"),
    response_format: "url",
  });
  await speak("wav");
  await speak("pcm");
  const generate = (prompt, n) => client.images.generate({ model: "gpt-image-1", prompt, n });
  console.log(JSON.stringify({
    url: redone.data[0].url,
    size: made.size,
    refused: await errorOf(() => generate("a storm [sandbox:policy]", 1)),
    wrong_field: await errorOf(() => generate("a boat", 11)),
  }));
}

main();
