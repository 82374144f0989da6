"""Makes a clip with OpenAI's own client; sees an unknown model, a wrong key and a refused prompt."""

import json
import sys

import openai

base_url, key, model, clip = sys.argv[1:5]
client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0)
stranger = openai.OpenAI(base_url=f"{base_url}/v1", api_key="not-a-key", max_retries=0)


def error_of(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {"class": type(error).__name__, "status": error.status_code, "code": error.code}
    return None


video = client.videos.create_and_poll(model=model, prompt="a lighthouse in a storm")
client.videos.download_content(video.id).write_to_file(clip)
refused = client.videos.create_and_poll(model=model, prompt="a storm [sandbox:policy]")
print(json.dumps({
    "status": video.status,
    "progress": video.progress,
    "refused": {"status": refused.status, "code": refused.error.code, "reason": refused.error.message},
    "unknown_model": error_of(lambda: client.videos.create(model="no-such-model", prompt="a boat")),
    "wrong_key": error_of(lambda: stranger.videos.retrieve(video.id)),
}))
