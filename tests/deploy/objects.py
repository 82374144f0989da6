"""Whether objects are what Kubernetes takes: by its own schemas, strictly, and for kinds that it does not know by a list
of what must be there."""

import functools

import jsonschema
import kubernetes_validate
import referencing
from kubernetes_validate import utils

# The oldest that the chart is for, the newest, and two between.
VERSIONS = ("1.28", "1.31", "1.34", "1.37")

# Kinds of others: fields that they need, with their types. What else an object has must be among `may`.
FOREIGN = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {
        "type": "object",
        "additionalProperties": False,
        "required": ["selector", "endpoints"],
        "properties": {
            "selector": {"type": "object", "required": ["matchLabels"]},
            "namespaceSelector": {"type": "object", "required": ["matchNames"]},
            "endpoints": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["port", "path", "interval", "scrapeTimeout"],
                    "properties": {
                        "port": {"type": "string"},
                        "path": {"const": "/metrics"},
                        "interval": {"type": "string"},
                        "scrapeTimeout": {"type": "string"},
                        "scheme": {"enum": ["http", "https"]},
                        "tlsConfig": {"type": "object", "required": ["ca", "serverName"]},
                    },
                },
            },
        },
    },
    ("monitoring.coreos.com/v1", "PrometheusRule"): {
        "type": "object",
        "additionalProperties": False,
        "required": ["groups"],
        "properties": {
            "groups": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["name", "rules"],
                    "properties": {
                        "name": {"type": "string"},
                        "rules": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "required": ["expr"],
                                "properties": {"alert": {"type": "string"}, "expr": {"type": "string"}},
                            },
                        },
                    },
                },
            },
        },
    },
    ("keda.sh/v1alpha1", "ScaledObject"): {
        "type": "object",
        "additionalProperties": False,
        "required": ["scaleTargetRef", "minReplicaCount", "maxReplicaCount", "triggers"],
        "properties": {
            "scaleTargetRef": {"type": "object", "required": ["name"]},
            "minReplicaCount": {"type": "integer"},
            "maxReplicaCount": {"type": "integer"},
            "pollingInterval": {"type": "integer"},
            "cooldownPeriod": {"type": "integer"},
            "advanced": {"type": "object"},
            "fallback": {"type": "object", "required": ["failureThreshold", "replicas"]},
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["type", "metadata"],
                    "properties": {
                        "type": {"const": "prometheus"},
                        "metricType": {"const": "AverageValue"},
                        "authenticationRef": {"type": "object", "required": ["name"]},
                        "metadata": {
                            "type": "object",
                            "required": ["serverAddress", "query", "threshold"],
                            # KEDA takes nothing but text here.
                            "additionalProperties": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): {
        "type": "object",
        "additionalProperties": False,
        "required": ["parentRefs", "rules"],
        "properties": {
            "parentRefs": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["name"]}},
            "hostnames": {"type": "array", "items": {"type": "string"}},
            "rules": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["matches", "backendRefs"],
                    "properties": {
                        "matches": {"type": "array", "minItems": 1},
                        "timeouts": {"type": "object", "properties": {"request": {"type": "string"}}},
                        "backendRefs": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "object", "required": ["name", "port"]},
                        },
                    },
                },
            },
        },
    },
}


def problems(document):
    """What is wrong with an object, for each version of Kubernetes; empty if nothing is."""
    kind = (document["apiVersion"], document["kind"])
    name = f"{document['kind']} {document['metadata']['name']}"
    if kind in FOREIGN:
        found = jsonschema.Draft202012Validator(FOREIGN[kind]).iter_errors(document["spec"])
        return [f"{name}: {error.message}" for error in found]
    return [f"{name}: {version}: {error}" for version in VERSIONS for error in _errors(document, version)]


def _errors(document, version):
    try:
        validator = _validator(document["kind"].lower(), document["apiVersion"], version)
    except FileNotFoundError:
        return ["Kubernetes has no such kind, and no list here says what it needs"]
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(document)]


@functools.lru_cache(maxsize=None)
def _validator(kind, api_version, version):
    """What the library does for each object anew, once."""
    group, _, rest = api_version.rpartition("/")
    name = "-".join(part for part in (kind, group.split(".")[0], rest) if part)
    schema = utils.schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json", version)
    registry = referencing.Resource.from_contents(schema) @ _definitions(version)
    return jsonschema.Draft202012Validator(schema, registry=registry)


@functools.lru_cache(maxsize=None)
def _definitions(version):
    assert f"{version}.0" in kubernetes_validate.utils.all_versions(), version
    path = f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json"
    return referencing.Resource.from_contents(utils.schema_contents(path, version)) @ referencing.Registry()
