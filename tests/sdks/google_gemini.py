"""Makes a clip with Google's own client of the Gemini API; sees an unknown model, a wrong key and a refused prompt."""

import base64
import json
import sys
import time

from google import genai
from google.genai import errors, types

base_url, key, model, clip = sys.argv[1:5]
client = genai.Client(api_key=key, http_options={"base_url": base_url})
stranger = genai.Client(api_key="not-a-key", http_options={"base_url": base_url})
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def error_of(call):
    try:
        call()
    except errors.APIError as error:
        return {"class": type(error).__name__, "code": error.code, "status": error.status}
    return None


def make(prompt, **more):
    operation = client.models.generate_videos(model=model, prompt=prompt, **more)
    while not operation.done:
        time.sleep(0.2)
        operation = client.operations.get(operation)
    return operation


def reasons(operation):
    """An operation that made nothing says why in one of two places."""
    if operation.error:
        return [operation.error["message"]]
    return operation.response.rai_media_filtered_reasons


made = make("a lighthouse in a storm", image=types.Image(image_bytes=PIXEL, mime_type="image/png"))
video = made.response.generated_videos[0].video
client.files.download(file=video)
video.save(clip)
print(json.dumps({
    "uri": video.uri,
    "refused": reasons(make("a storm [sandbox:policy]")),
    "unknown_model": error_of(lambda: client.models.generate_videos(model="no-such-model", prompt="a boat")),
    "wrong_key": error_of(lambda: stranger.operations.get(made)),
}))
