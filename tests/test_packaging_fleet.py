"""What an operator of a fleet is handed: units, compose file, manifests, alarms, dashboard, and the page about them."""

from __future__ import annotations

import ast
import functools
import itertools
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from digest import __version__
from digest.config import from_table, load
from digest.model.errors import DigestError
from digest.services.ports import Work
from digest.services.status.fleet import FleetStatus
from digest.services.status.report import Status
from digest.storage.server import Connections
from digest.storage.workers import Worker
from digest.web.figures import Figures, Pulse
from tests.test_docs import calls, unknown

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
PAGE = ROOT / "docs/operating-a-fleet.md"
COMPOSE = PACKAGING / "container/compose-fleet.yaml"
RULES = [PACKAGING / "prometheus-rules.yml", PACKAGING / "prometheus-rules-fleet.yml"]
DASHBOARD = PACKAGING / "grafana-fleet.json"
MANIFESTS = sorted((PACKAGING / "kubernetes").glob("*.yaml"))
FILES = [path for path in sorted(PACKAGING.rglob("*")) if path.is_file()]
#: Functions of PromQL that our expressions use; every other word that is called would be a slip.
FUNCTIONS = {"abs", "absent", "count", "increase", "max", "min", "rate", "sum", "time", "vector"}


@functools.cache
def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text("utf-8")))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    (whole,) = documents(COMPOSE)
    return whole


@pytest.fixture(scope="module")
def objects() -> dict[tuple[str, str], dict[str, Any]]:
    """All manifests, by kind and name."""
    found = [one for path in MANIFESTS for one in documents(path)]
    named = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(named) == len(found)
    return named


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_can_be_read(path):
    if path.suffix in (".yaml", ".yml"):
        assert all(isinstance(one, dict) for one in documents(path))
    elif path.suffix == ".json":
        assert json.loads(path.read_text("utf-8"))
    else:
        assert path.read_text("utf-8").startswith(("# Digest", "# One process of a fleet"))


# Commands


def given(path: Path) -> Iterator[list[str]]:
    """The words behind `digest` in every command that a file has a program run, or tells a person to."""
    text = path.read_text("utf-8")
    # In a container the entry point is `digest`, and the arguments are a list.
    for args in re.findall(r"(?m)^\s*(?:- )?(?:args|command): \[(.+)\]$", text):
        words = yaml.safe_load(f"[{args}]")
        if words[0] != "postgres":
            yield words
    yield from calls("".join(f"`{line}`\n" for line in re.findall(r"(?m)^ExecStart=(\S+/digest .+)$", text)))
    yield from calls("".join(f"`{told}`\n" for told in re.findall(r"\btry: (digest [a-z ]+)", text)))


def test_every_command_of_a_file_is_one_the_program_understands():
    found = {tuple(words): (path.name, words) for path in FILES for words in given(path)}.values()
    assert [(name, words, word) for name, words in found if (word := unknown(words))] == []
    named = [role for _, words in found for option, role in itertools.pairwise(words) if option == "--roles"]
    roles = {role for text in named if not text.startswith("$") for role in text.split(",")}
    assert roles == {work.value for work in Work}


def test_the_files_that_start_something_name_commands():
    """Else the test above would find nothing wrong in a form of writing that it does not know."""
    first = {path.name: {words[0] for words in given(path)} for path in FILES}
    assert first["digest-worker@.service"] == {"worker"}
    assert first["compose-fleet.yaml"] >= {"worker", "web", "db"}
    assert first["3-workers.yaml"] == {"worker"} and first["4-web.yaml"] == {"web"}
    assert first["2-upgrade.yaml"] == {"db"}
    assert first["prometheus-rules.yml"] == {"status", "deliveries", "doctor"}


# systemd


def unit(name: str) -> dict[str, list[str]]:
    """Each setting with all its values."""
    found: dict[str, list[str]] = {}
    for line in (PACKAGING / name).read_text("utf-8").splitlines():
        if line and line[0] not in "#[":
            key, sign, value = line.partition("=")
            assert sign and re.fullmatch(r"[A-Z][A-Za-z]+", key), line
            found.setdefault(key, []).append(value)
    return found


def test_a_worker_unit_tells_that_it_is_ready_is_watched_and_drains():
    worker = unit("digest-worker@.service")
    assert worker["Type"] == ["notify"] and worker["NotifyAccess"] == ["main"]
    assert worker["WatchdogSec"] and worker["KillSignal"] == ["SIGTERM"] and worker["Restart"] == ["on-failure"]
    assert worker["TimeoutStopSec"] == ["2min"] and worker["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    # What an instance does comes from its file, and is empty without: `digest worker` then does all of it.
    (file,) = worker["EnvironmentFile"]
    assert file.startswith("-") and "%i" in file
    asked = set(re.findall(r"\$\{(\w+)\}", worker["ExecStart"][0]))
    assert asked == {name.rstrip("=") for name in worker["Environment"][0].split()} == {"ROLES", "MONITOR"}
    assert "--concurrency" not in worker["ExecStart"][0]  # systemd would be told nothing


def test_a_worker_is_locked_in_as_the_daemon_is():
    def locks(name: str) -> dict[str, list[str]]:
        own = ("Description", "After", "ExecStart", "Environment", "EnvironmentFile", "TimeoutStopSec", "KillSignal")
        return {key: values for key, values in unit(name).items() if key not in own}

    assert locks("digest-worker@.service") == locks("digest.service")


# Containers


def test_what_the_compose_file_refers_to_is_in_it(compose):
    services = compose["services"]
    assert {"postgres", "tables", "web", *(work.value for work in Work)} == set(services)
    for service in services.values():
        for kind in ("secrets", "configs"):
            used = {one if isinstance(one, str) else one["source"] for one in service.get(kind, ())}
            assert used <= set(compose[kind])
        assert {one.partition(":")[0] for one in service.get("volumes", ())} <= set(compose["volumes"])
        assert set(service.get("depends_on", ())) <= set(services)
        assert {"image"} <= set(service) <= KNOWN_OF_A_SERVICE
        for value in service.get("environment", {}).values():
            secret = re.search(r"/run/secrets/(\S+)", str(value))
            assert secret is None or secret[1] in service["secrets"]
    assert all(set(one) == {"file"} for kind in ("secrets", "configs") for one in compose[kind].values())


KNOWN_OF_A_SERVICE = {
    *("cap_drop", "command", "configs", "depends_on", "environment", "healthcheck", "image", "init", "ports"),
    *("read_only", "restart", "secrets", "security_opt", "shm_size", "stop_grace_period", "tmpfs", "volumes"),
}


def test_the_compose_file_starts_nobody_before_there_are_tables_and_hardens_everybody(compose):
    for name, service in compose["services"].items():
        if name == "postgres":
            continue
        after = {other: how["condition"] for other, how in service["depends_on"].items()}
        if name != "tables":
            assert after["tables"] == "service_completed_successfully"
            assert service["restart"] == "unless-stopped"
        assert after["postgres"] == "service_healthy"
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["stop_grace_period"]
        assert service["environment"]["DIGEST_CONFIG"] == compose["x-digest"]["configs"][0]["target"]
    known_to_libpq = compose["services"]["fetch"]["environment"]["PGPASSFILE"]
    assert Path(known_to_libpq).name in compose["secrets"]


def test_the_containers_are_healthy_where_they_are_asked(compose):
    """The image asks at a port of its own; each command answers there."""
    recipe = (PACKAGING / "container/Containerfile").read_text("utf-8")
    port = re.search(r"http://127\.0\.0\.1:(\d+)/ready", recipe)[1]
    for name in (*Work, "web"):
        service = compose["services"][name]
        told = [*service["command"], *service["environment"].values()]
        assert f"0.0.0.0:{port}" in told, name
    assert compose["services"]["tables"]["healthcheck"] == {"disable": True}


# Kubernetes. The keys that an object of its interface may have, as far as ours use them; one with `!` must be there,
# `*` is any.

_METADATA = {"name!": str, "namespace": str, "labels": {"*": str}}
_SELECTOR = {"matchLabels!": {"*": str}}
_PROBE = {
    "httpGet!": {"path!": str, "port!": str},
    "failureThreshold": int,
    "periodSeconds": int,
    "timeoutSeconds": int,
}
_CONTAINER = {
    "name!": str,
    "image!": str,
    "args": [str],
    "env": [{"name!": str, "value": str, "valueFrom": {"secretKeyRef": {"name!": str, "key!": str}}}],
    "ports": [{"name": str, "containerPort!": int}],
    "resources": {"requests": {"cpu": str, "memory": str}},
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "capabilities": {"drop": [str]},
    },
    "startupProbe": _PROBE,
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "volumeMounts": [{"name!": str, "mountPath!": str, "readOnly": bool}],
}
_TEMPLATE = {
    "metadata": {"labels": {"*": str}},
    "spec!": {
        "automountServiceAccountToken": bool,
        "containers!": [_CONTAINER],
        "enableServiceLinks": bool,
        "restartPolicy": str,
        "securityContext": {
            "runAsNonRoot": bool,
            "runAsUser": int,
            "runAsGroup": int,
            "fsGroup": int,
            "seccompProfile": {"type!": str},
        },
        "terminationGracePeriodSeconds": int,
        "topologySpreadConstraints": [
            {"maxSkew!": int, "topologyKey!": str, "whenUnsatisfiable!": str, "labelSelector": _SELECTOR}
        ],
        "volumes": [
            {
                "name!": str,
                "configMap": {"name": str},
                "secret": {"secretName": str, "defaultMode": int},
                "emptyDir": {},
            }
        ],
    },
}
_KINDS: dict[tuple[str, str], dict[str, Any]] = {
    ("v1", "Namespace"): {},
    ("v1", "ConfigMap"): {"data!": {"*": str}},
    ("v1", "Secret"): {"type": str, "stringData!": {"*": str}},
    ("v1", "Service"): {"spec!": {"selector!": {"*": str}, "ports!": [{"name": str, "port!": int, "targetPort": str}]}},
    ("batch/v1", "Job"): {
        "spec!": {"backoffLimit": int, "ttlSecondsAfterFinished": int, "template!": _TEMPLATE},
    },
    ("apps/v1", "Deployment"): {
        "spec!": {
            "replicas": int,
            "strategy": {"rollingUpdate": {"maxSurge": int, "maxUnavailable": int}},
            "selector!": _SELECTOR,
            "template!": _TEMPLATE,
        },
    },
    ("policy/v1", "PodDisruptionBudget"): {"spec!": {"maxUnavailable": int, "selector!": _SELECTOR}},
}


def misfits(value: Any, shape: Any, at: str) -> Iterator[str]:
    """Where a value has not the shape that it should."""
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            yield f"{at} is no list of anything"
            return
        for number, one in enumerate(value):
            yield from misfits(one, shape[0], f"{at}[{number}]")
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{at} is no object"
            return
        known = {key.rstrip("!"): of for key, of in shape.items()}
        yield from (f"{at}.{key[:-1]} is missing" for key in shape if key.endswith("!") and key[:-1] not in value)
        for key, one in value.items():
            if key in known or "*" in known:
                yield from misfits(one, known.get(key, known.get("*")), f"{at}.{key}")
            else:
                yield f"{at}.{key} is unknown"
    elif type(value) is not shape:
        yield f"{at} is {value!r}, no {shape.__name__}"


def test_the_manifests_have_the_shape_that_kubernetes_takes(objects):
    found: list[str] = []
    for (kind, name), one in objects.items():
        shape = {"apiVersion!": str, "kind!": str, "metadata!": _METADATA, **_KINDS[one["apiVersion"], kind]}
        found += misfits(one, shape, f"{kind} {name}")
    assert found == []


def test_a_shape_is_missed_where_something_is_missing_unknown_or_of_another_kind():
    wrong = {"httpGet": {"path": "/health", "prt": 1}, "periodSeconds": "20"}
    assert list(misfits(wrong, _PROBE, "probe")) == [
        "probe.httpGet.port is missing",
        "probe.httpGet.prt is unknown",
        "probe.periodSeconds is '20', no int",
    ]


def pods(objects: dict[tuple[str, str], dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for (kind, name), one in objects.items():
        if kind in ("Deployment", "Job"):
            yield kind, name, one["spec"]["template"]["spec"]


def test_there_is_a_deployment_for_each_role_and_for_the_pages(objects):
    deployments = {name: one["spec"] for (kind, name), one in objects.items() if kind == "Deployment"}
    assert set(deployments) == {"web", *(work.value for work in Work)}
    for name, spec in deployments.items():
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"] == labels
        (container,) = spec["template"]["spec"]["containers"]
        assert container["args"][0] == ("web" if name == "web" else "worker")
        assert name == "web" or container["args"][container["args"].index("--roles") + 1] == name
        budget = objects["PodDisruptionBudget", name]["spec"]
        # Of one replica a minimum of one would keep its machine from ever being emptied.
        assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
        assert len(name) <= 13, "a pod's name, its host name, must differ within the letters that a holder keeps of it"
    assert objects["Service", "web"]["spec"]["selector"] == deployments["web"]["template"]["metadata"]["labels"]


def test_every_pod_finds_what_it_refers_to_and_has_no_rights(objects):
    secrets = set(objects["Secret", "digest"]["stringData"])
    for kind, name, pod in pods(objects):
        (container,) = pod["containers"]
        assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
        sources = {one["name"]: one for one in pod["volumes"]}
        assert sources["config"]["configMap"]["name"] == "digest" == sources["secrets"]["secret"]["secretName"]
        keys = {one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"] if "valueFrom" in one}
        assert keys <= secrets
        # A Service called "digest" would come as DIGEST_SERVICE_HOST, which is refused.
        assert pod["enableServiceLinks"] is False and pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        if kind == "Deployment":
            ports = {one["name"]: one["containerPort"] for one in container["ports"]}
            asked = {key: container[key]["httpGet"] for key in ("startupProbe", "livenessProbe", "readinessProbe")}
            assert [asked[key]["path"] for key in asked] == ["/health", "/health", "/ready"], name
            assert {one["port"] for one in asked.values()} == {"monitor"}
            listens = [*container["args"], *(one.get("value") for one in container["env"])]
            assert f"0.0.0.0:{ports['monitor']}" in listens
            assert pod["terminationGracePeriodSeconds"] >= 30


def test_the_configuration_of_the_manifests_and_of_the_page_is_one(objects, tmp_path):
    table = tomllib.loads(objects["ConfigMap", "digest"]["data"]["config.toml"])
    config = from_table(table, folder=tmp_path)
    assert [digest.name for digest in config.digests] == ["papers"]
    named = re.findall(r'password_file = "(.+)"', objects["ConfigMap", "digest"]["data"]["config.toml"])
    mounts = {
        one["mountPath"]
        for _, _, pod in pods(objects)
        for one in pod["containers"][0]["volumeMounts"]
        if one["name"] == "secrets"
    }
    assert {str(Path(file).parent) for file in named} == mounts
    assert {Path(file).name for file in named} <= set(objects["Secret", "digest"]["stringData"])
    (block,) = re.findall(r"(?ms)^```toml\n(.*?)^```", PAGE.read_text("utf-8"))
    assert from_table(table | tomllib.loads(block), folder=tmp_path).database_url.startswith("postgresql")


def test_no_image_is_of_another_version_and_no_variable_unknown(objects, compose, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(objects["ConfigMap", "digest"]["data"]["config.toml"], "utf-8")
    for _, name, pod in pods(objects):
        (container,) = pod["containers"]
        assert container["image"].rpartition(":")[2] == __version__, name
        load(file, {one["name"]: one.get("value", "x") for one in container["env"]})
    for service in compose["services"].values():
        load(file, service["environment"])
    with pytest.raises(DigestError, match="DIGEST_SERVICE_HOST"):
        load(file, {"DIGEST_SERVICE_HOST": "10.0.0.1"})


# Figures


@pytest.fixture(scope="module")
def figures() -> dict[str, set[str]]:
    """Every metric of ours with its labels: of a status without anything, and of a fleet."""
    now = datetime(2026, 11, 22, 7, tzinfo=UTC)
    status = Status(
        at=now,
        restored=False,
        sources=(),
        digests=(),
        deliveries={},
        backlog=0,
        oldest_open=None,
        next_delivery_at=None,
        paused=(),
        bounces={},
        suppressions=0,
        suppressions_by_reason={},
        entries=0,
        waiting_for_category=0,
    )
    one = Worker(
        holder="one:1:1",
        roles=tuple(work.value for work in Work),
        version=__version__,
        zones="2026a",
        keys="k",
        started_at=now,
        seen_at=now,
        ahead=0.1,
        accepted={},
    )
    fleet = FleetStatus(
        at=now,
        living=(one,),
        lost=(),
        calls=(),
        connections=Connections(most=97, used=20),
        accepted={},
        troubles=(),
    )
    families = Figures(lambda: (status, fleet, Pulse(started_at=now, jobs=()))).collect()
    # A family knows its labels also where it has no sample.
    return {one.name + ("_total" if one.type == "counter" else ""): {*vars(one)["_labelnames"]} for one in families}


def expressions() -> Iterator[tuple[str, str]]:
    """(where, expression) of all alarms and of the dashboard."""
    for path in RULES:
        for group in documents(path)[0]["groups"]:
            for rule in group["rules"]:
                yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), [pytest.param(*one, id=one[0]) for one in expressions()])
def test_an_expression_asks_for_metrics_and_labels_that_there_are(figures, where, expression):
    bare = re.sub(r'"[^"]*"', '""', expression)
    named = set(re.findall(r"\b(?:digest|process)_\w+", bare))
    assert named and {name for name in named if name.startswith("digest_")} <= set(figures)
    labels = {label for group in re.findall(r"\{(.*?)\}", bare) for label in re.findall(r"(\w+)\s*[=!]", group)}
    labels |= {name for group in re.findall(r"\bby \((.*?)\)", bare) for name in re.split(r",\s*", group)}
    assert labels - {"instance"} <= set().union(*(figures.get(name, set()) for name in named)), where
    called = set(re.findall(r"\b([a-z_]+)(?= ?(?:by \(.*?\) )?\()", bare)) - {"by", "on", "group_left"}
    assert called <= FUNCTIONS, where
    assert bare.count("(") == bare.count(")") and bare.count("{") == bare.count("}")


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_an_alarm_has_a_name_of_its_own_a_time_and_a_sentence(path):
    (whole,) = documents(path)
    assert set(whole) == {"groups"}
    alerts = [rule for group in whole["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) > 4
    for rule in alerts:
        assert {"alert", "expr", "annotations"} <= set(rule) <= {"alert", "expr", "for", "annotations"}
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
        # A label that a summary names must be one that the expression leaves.
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in rule["expr"] or "by (" not in rule["expr"], rule["alert"]


def test_the_dashboard_is_whole():
    board = json.loads(DASHBOARD.read_text("utf-8"))
    (variable,) = board["templating"]["list"]
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
        assert panel["title"] and panel["description"].endswith(".") and panel["targets"]
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert place["x"] + place["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


# The page


def test_the_page_names_every_figure_of_a_fleet(figures):
    text = PAGE.read_text("utf-8").partition("\n## Watching\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"\b(digest_\w+[a-z])\b(?!_…)", text))
    one_machine = (ROOT / "docs/operating.md").read_text("utf-8").partition("\n## Monitoring\n")[2]
    assert figures.keys() - set(re.findall(r"\bdigest_\w+", one_machine)) <= told <= set(figures) | {
        "digest_job", "digest_relays_refuse_since"}  # fmt: skip


def said(path: str, wanted: Callable[[ast.Call], bool]) -> Iterator[str]:
    """The fixed parts of each sentence that calls in a module are given as ``what``, or first."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Call) and wanted(node):
            what = next((one.value for one in node.keywords if one.arg == "what"), None)
            text = what if what is not None else node.args[0] if node.args else None
            parts = text.values if isinstance(text, ast.JoinedStr) else [text]
            yield from (one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str))


@pytest.mark.parametrize(
    ("module", "made"),
    [
        ("digest/services/status/fleet.py", {"Trouble"}),
        ("digest/storage/server.py", {"StorageError"}),
        ("digest/services/tending/crew.py", {"ConfigError"}),
        ("digest/fleet/tables.py", {"StorageError"}),
    ],
)
def test_the_page_has_a_remedy_for_every_trouble_that_is_told(module, made):
    page = " ".join(PAGE.read_text("utf-8").partition("\n## Troubles and remedies\n")[2].split())
    parts = [
        part.strip()
        for part in said(module, lambda call: getattr(call.func, "id", "") in made)
        if len(part.strip()) > 8 or part.strip().isalpha()
    ]
    assert len(parts) >= 1
    assert [part for part in parts if part.strip(" :;,") not in page] == []


def test_what_the_page_links_to_in_the_packaging_is_there_and_nothing_is_left_out():
    text = PAGE.read_text("utf-8")
    linked = {(PAGE.parent / name).resolve() for name in re.findall(r"\]\((\.\./packaging[^)#]*)\)", text)}
    assert all(path.exists() for path in linked)
    for path in (COMPOSE, *RULES, DASHBOARD, PACKAGING / "kubernetes"):
        assert path in linked
    assert "packaging/digest-worker@.service" in text
    assert all(f"packaging/kubernetes/{path.name}" in text for path in MANIFESTS)
