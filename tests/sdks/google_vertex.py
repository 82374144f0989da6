"""Makes clips with Google's own client of Vertex AI, with a place and a token and with a key alone; sees an unknown
model, a wrong key and a refused prompt."""

import json
import sys
import time

from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

base_url, key, model, clip = sys.argv[1:5]
HTTP = {"base_url": base_url}
PLACE = {"project": "film-1", "location": "us-central1"}
by_token = genai.Client(vertexai=True, credentials=Credentials(key), http_options=HTTP, **PLACE)
by_key = genai.Client(vertexai=True, api_key=key, http_options=HTTP)
stranger = genai.Client(vertexai=True, api_key="not-a-key", http_options=HTTP)


def error_of(call):
    try:
        call()
    except errors.APIError as error:
        return {"class": type(error).__name__, "code": error.code, "status": error.status}
    return None


def start(client, prompt, model=model):
    source = types.GenerateVideosSource(prompt=prompt)
    config = types.GenerateVideosConfig(aspect_ratio="9:16", duration_seconds=8, generate_audio=True)
    return client.models.generate_videos(model=model, source=source, config=config)


def make(client, prompt):
    operation = start(client, prompt)
    while not operation.done:
        time.sleep(0.2)
        operation = client.operations.get(operation)
    return operation


def reasons(operation):
    """An operation that made nothing says why in one of two places."""
    if operation.error:
        return [operation.error["message"]]
    return operation.response.rai_media_filtered_reasons


made = make(by_token, "a lighthouse in a storm")
made.response.generated_videos[0].video.save(clip)
again = make(by_key, "a lighthouse at noon")
print(json.dumps({
    "name": made.name,
    "name_by_key": again.name,
    "bytes_by_key": len(again.response.generated_videos[0].video.video_bytes),
    "refused": reasons(make(by_token, "a storm [sandbox:policy]")),
    "unknown_model": error_of(lambda: start(by_key, "a boat", "no-such-model")),
    "wrong_key": error_of(lambda: stranger.operations.get(again)),
}))
