"""Makes a clip with Replicate's own client; sees an unknown model, a wrong key and a refused prompt."""

import json
import sys

import replicate
from replicate.exceptions import ReplicateError

base_url, key = sys.argv[1:3]
client = replicate.Client(api_token=key, base_url=base_url)
stranger = replicate.Client(api_token="not-a-key", base_url=base_url)


def error_of(call):
    try:
        call()
    except ReplicateError as error:
        return {"status": error.status}
    return None


def predict(prompt, model="google/veo-3.1-fast"):
    prediction = client.models.predictions.create(model, input={"prompt": prompt})
    prediction.wait()
    return prediction


made = predict("a lighthouse in a storm")
refused = predict("a storm [sandbox:policy]")
print(json.dumps({
    "status": made.status,
    "url": made.output,
    "refused": {"status": refused.status, "reason": refused.error},
    "unknown_model": error_of(lambda: predict("a boat", model="google/no-such-model")),
    "wrong_key": error_of(lambda: stranger.predictions.get(made.id)),
}))
