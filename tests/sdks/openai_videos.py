"""Makes a clip with OpenAI's own client; sees an unknown model, a wrong key and a refused prompt."""

import json
import sys

import openai

base_url, key, clip = sys.argv[1:4]
client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0)

video = client.videos.create_and_poll(model="veo3.1-fast", prompt="a lighthouse in a storm")
client.videos.download_content(video.id).write_to_file(clip)
refused = client.videos.create_and_poll(model="veo3.1-fast", prompt="a storm [sandbox:policy]")


def error_of(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {"status": error.status_code, "class": type(error).__name__, "code": error.code}
    return None


stranger = openai.OpenAI(base_url=f"{base_url}/v1", api_key="not-a-key", max_retries=0)
print(json.dumps({
    "id": video.id,
    "status": video.status,
    "progress": video.progress,
    "refused": refused.status,
    "reason": refused.error.message if refused.error else None,
    "unknown_model": error_of(lambda: client.videos.create(model="no-such-model", prompt="a boat")),
    "wrong_key": error_of(lambda: stranger.videos.retrieve(video.id)),
}))
