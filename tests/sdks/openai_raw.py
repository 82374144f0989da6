"""As openai_videos.py with a client that is older than videos: it sends JSON to paths that it is told."""

import json
import sys
import time

import httpx
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


def create(model, prompt):
    return client.post("/videos", cast_to=object, body={"model": model, "prompt": prompt})


def make(prompt):
    video = create(model, prompt)
    while video["status"] in ("queued", "in_progress"):
        time.sleep(0.2)
        video = client.get(f"/videos/{video['id']}", cast_to=object)
    return video


video = make("a lighthouse in a storm")
with open(clip, "wb") as file:
    file.write(client.get(f"/videos/{video['id']}/content", cast_to=httpx.Response).content)
refused = make("a storm [sandbox:policy]")
print(json.dumps({
    "status": video["status"],
    "progress": video["progress"],
    "refused": {
        "status": refused["status"],
        "code": refused["error"]["code"],
        "reason": refused["error"]["message"],
    },
    "unknown_model": error_of(lambda: create("no-such-model", "a boat")),
    "wrong_key": error_of(lambda: stranger.get(f"/videos/{video['id']}", cast_to=object)),
}))
