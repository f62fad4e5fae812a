"""deploy/compose.yaml, prometheus.yml: containers that may do little, and limits that hold what a service takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from darnet.images.budget import bytes_of
from darnet.service.access import Access
from deployment import DEPLOY, ENDING_SECONDS, LISTENER, ROOT, USER, WORKER, limits_of, parsed, size

#: Among temporary files, for each pixel of a large picture at work: 17 were seen, of 40 MP and one repair.
SCRATCH_BYTES = 24


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return document


def test_containers_may_do_no_more_than_they_need() -> None:
    document = compose()
    for name, service in document["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit", "healthcheck", "restart"} <= service.keys(), name
        assert not service.keys() & {"privileged", "network_mode", "pid", "cap_add", "user"}, name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        mounted = {volume.split(":")[0] for volume in service["volumes"]}
        assert {one for one in mounted if not one.startswith("./")} <= document["volumes"].keys(), name
        assert [one for one in mounted if one.startswith("./") and not (DEPLOY / one).is_file()] == []
        assert set(service["secrets"]) <= document["secrets"].keys(), name
    build = document["services"]["darnet"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert re.fullmatch(r"docker\.io/prom/prometheus:v\d+\.\d+\.\d+", document["services"]["prometheus"]["image"])


def test_its_limits_hold_what_the_service_may_take() -> None:
    service = compose()["services"]["darnet"]
    options = parsed(service["command"])
    limits = limits_of(options)
    (tmpfs,) = service["tmpfs"]
    folder, _, how = tmpfs.partition(":")
    room = size(next(one for one in how.split(",") if one.startswith("size=")).removeprefix("size="))
    assert folder == "/tmp"
    uploads = limits.places * 2 * limits.max_bytes  # twice: as it comes, then by a name
    jobs = limits.jobs * 3 * limits.job_bytes  # as they came, and what comes of them
    assert room >= uploads + jobs + limits.workers * SCRATCH_BYTES * limits.max_pixels
    assert size(service["mem_limit"]) >= bytes_of(options["max_memory"]) + room + LISTENER
    assert bytes_of(options["max_memory"]) >= limits.workers * WORKER
    assert int(service["stop_grace_period"].removesuffix("s")) >= limits.seconds + ENDING_SECONDS


def test_prometheus_asks_what_there_is_with_the_token_that_it_has() -> None:
    document = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = document["scrape_configs"]
    services = compose()["services"]
    options = parsed(services["darnet"]["command"])
    assert job["static_configs"] == [{"targets": [f"darnet:{options['port']}"]}]
    assert Path(job["authorization"]["credentials_file"]) == options["token_file"]
    assert options["token_file"].parent == Path("/run/secrets")
    assert services["prometheus"]["group_add"] == [USER]
    assert Access("0.0.0.0", "t" * 16).refuses(job["metrics_path"], {"authorization": f"Bearer {'t' * 16}"}) is None
    said = (DEPLOY / "compose.yaml").read_text(encoding="utf-8").partition("\nname:")[0]
    assert f"-m 440 -o {USER} -g {USER}" in said  # darnet refuses a token that others may read
