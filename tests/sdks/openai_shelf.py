"""Remixes, lists and deletes clips with OpenAI's own client."""

import json
import sys

import openai

base_url, key, model = sys.argv[1:4]
client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0)


def error_of(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {"class": type(error).__name__, "status": error.status_code}
    return None


first = client.videos.create_and_poll(model=model, prompt="a lighthouse in a storm", size="1280x720")
second = client.videos.remix(first.id, prompt="the same by night")
second = client.videos.poll(second.id)
all_ids = [video.id for video in client.videos.list(limit=1)]
oldest = client.videos.list(limit=1, order="asc")
deleted = client.videos.delete(first.id)
print(json.dumps({
    "status": second.status,
    "remixed_from": second.remixed_from_video_id == first.id,
    "prompt": second.prompt,
    "all": all_ids == [second.id, first.id],
    "oldest": [video.id for video in oldest.data] == [first.id] and oldest.has_more,
    "deleted": [deleted.deleted, deleted.object, deleted.id == first.id],
    "left": [video.id for video in client.videos.list()] == [second.id],
    "gone": error_of(lambda: client.videos.retrieve(first.id)),
    "remix_of_gone": error_of(lambda: client.videos.remix(first.id, prompt="a boat")),
}))
