"""What is counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from darnet.jobs.job import Done
from darnet.restore.result import Treatment
from darnet.service.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_answers_seconds_and_the_pool_are_told(unchecked) -> None:
    pool: Any = SimpleNamespace(waiting=3, accepted=4, workers=1, lost={"timeout": 2, "died": 0})
    metrics = Metrics(pool)
    metrics.answered("/v1/restore", 200, 0.3)
    metrics.answered("/v1/restore", 200, 0.3)
    metrics.answered("/../../anybody's", 404, 0.3)
    metrics.worked(Done("a", treatment=Treatment((), 1.0, True, stages={"repair": 0.5})))
    metrics.worked(Done("a", error="damaged"))
    found = samples(metrics)
    assert found["darnet_requests_total", "/v1/restore", "200"] == 2
    assert found["darnet_requests_total", "other", "404"] == 1
    assert found["darnet_request_seconds_count", "/v1/restore"] == 2
    assert (found["darnet_stage_seconds_count", "repair"], found["darnet_stage_seconds_sum", "repair"]) == (1, 0.5)
    assert (found["darnet_queue",], found["darnet_accepted",], found["darnet_workers",]) == (3, 4, 1)
    assert found["darnet_workers_lost", "timeout"] == 2
    pool.lost["timeout"] = 5
    assert samples(metrics)["darnet_workers_lost", "timeout"] == 5


def test_jobs_are_counted_without_their_names(unchecked) -> None:
    pool: Any = SimpleNamespace(waiting=0, accepted=0, workers=1, lost={})
    metrics = Metrics(pool)
    for path in ("/v1/jobs", "/v1/jobs/secret", "/v1/jobs/secret/zip", "/v1/jobs/secret/files/7", "/v1/jobs/secret/x/"):
        metrics.answered(path, 200, 0.1)
    metrics.ended("done")
    metrics.gauge("darnet_jobs", "Jobs.", lambda: 2)
    found = samples(metrics)
    for path in ("/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/zip", "/v1/jobs/{id}/files/{number}", "other"):
        assert found["darnet_requests_total", path, "200"] == 1
    assert b"secret" not in metrics.text()
    assert (found["darnet_job_files_total", "done"], found["darnet_jobs",]) == (1, 2)
