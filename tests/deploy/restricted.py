"""Kubernetes's pod security standard "restricted", and what we ask for besides."""

# Kinds of volumes that the standard allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def problems(spec):
    """What a pod would be refused for; empty if nothing."""
    found = []

    def must(holds, what):
        if not holds:
            found.append(what)

    for key in ("hostNetwork", "hostPID", "hostIPC"):
        must(not spec.get(key), f"{key} is set")
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        must(kinds and kinds <= VOLUMES, f"volume {volume['name']} is of {kinds}")
    pod = spec.get("securityContext", {})
    must(pod.get("runAsNonRoot") is True, "it may run as root")
    must(pod.get("runAsUser", 1) != 0, "it runs as root")
    profile = pod.get("seccompProfile", {}).get("type")
    must(profile in ("RuntimeDefault", "Localhost"), "no profile of system calls")
    # Ours: no token of the cluster, and no variables for each Service.
    must(spec.get("automountServiceAccountToken") is False, "it is given a token of the cluster")
    must(spec.get("enableServiceLinks") is False, "it is given variables of all Services")
    for container in spec["containers"] + spec.get("initContainers", []):
        for what in _container(container):
            found.append(f"{container['name']}: {what}")
    return found


def _container(container):
    context = container.get("securityContext", {})
    capabilities = context.get("capabilities", {})
    expected = {
        "it may gain privileges": context.get("allowPrivilegeEscalation") is False,
        "it is privileged": not context.get("privileged"),
        "it may run as root": context.get("runAsNonRoot") is not False and context.get("runAsUser") != 0,
        "it keeps capabilities": capabilities.get("drop") == ["ALL"],
        "it adds capabilities": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "a port of the node is taken": all("hostPort" not in port for port in container.get("ports", [])),
        # Ours.
        "it may write to its own files": context.get("readOnlyRootFilesystem") is True,
        "it may take all memory": "memory" in container.get("resources", {}).get("limits", {}),
        "a secret stands in a variable": all(
            "valueFrom" in variable or variable["name"] == "FILMGATE_DATA" for variable in container.get("env", [])
        ),
    }
    return [what for what, holds in expected.items() if not holds]
