"""Makes images and speech with OpenAI's own client; sees a refused prompt and a wrong field."""

import base64
import json
import pathlib
import sys

import openai

base_url, key, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0)


def error_of(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {"class": type(error).__name__, "status": error.status_code, "code": error.code}
    return None


made = client.images.generate(
    model="gpt-image-1", prompt="a lighthouse in a storm", n=2, size="1536x1024", quality="low"
)
for number, image in enumerate(made.data):
    (folder / f"made-{number}.png").write_bytes(base64.b64decode(image.b64_json))
files = [(folder / f"made-{number}.png").open("rb") for number in range(2)]
edited = client.images.edit(model="gpt-image-1", prompt="both in one", image=files)
(folder / "edited.png").write_bytes(base64.b64decode(edited.data[0].b64_json))
alone = (folder / "edited.png").open("rb")
redone = client.images.edit(model="dall-e-2", prompt="the same by night", image=alone, response_format="url")
speech = client.audio.speech.create(model="tts-1", voice="alloy", input="hello, lamp", response_format="wav")
speech.write_to_file(folder / "speech.wav")
samples = client.audio.speech.create(model="tts-1", voice="alloy", input="hello, lamp", response_format="pcm")
(folder / "speech.pcm").write_bytes(samples.content)
print(json.dumps({
    "url": redone.data[0].url,
    "size": made.size,
    "refused": error_of(lambda: client.images.generate(model="gpt-image-1", prompt="a storm [sandbox:policy]")),
    "wrong_field": error_of(lambda: client.images.generate(model="gpt-image-1", prompt="a boat", n=11)),
}))
