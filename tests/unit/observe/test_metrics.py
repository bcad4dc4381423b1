"""The text for Prometheus says what happened, and nothing of what has not happened yet."""

from __future__ import annotations

import re

import pytest

from connector.model.job import Complete, Fail, Throw
from connector.observe.metrics import Metrics


def labelled(metrics: Metrics) -> dict[str, float]:
    """The counters with labels, by name and labels."""
    found = re.findall(r"^smtp_connector_(\w+_total\{.*\}) (.*)$", metrics.text().decode(), re.MULTILINE)
    return {sample: float(value) for sample, value in found}


def test_no_label_is_shown_before_it_was_counted() -> None:
    assert labelled(Metrics()) == {}


def test_each_label_is_counted_for_itself() -> None:
    metrics = Metrics()
    for outcome in (Complete(), Complete(), Throw("REFUSED", "no"), Fail("no", 0)):
        metrics.job_reported(outcome, metrics.job_taken("send"))
    metrics.job_taken("verify")
    for account in ("support", None, "support"):
        metrics.mail_sent(account)
    for code, account in (("TIMEOUT", "support"), ("TIMEOUT", None), ("REFUSED", None), ("TIMEOUT", None)):
        metrics.mail_failed(code, account)
    assert labelled(metrics) == {
        'jobs_taken_total{task_type="send"}': 4,
        'jobs_taken_total{task_type="verify"}': 1,
        'jobs_reported_total{outcome="complete"}': 2,
        'jobs_reported_total{outcome="bpmnError"}': 1,
        'jobs_reported_total{outcome="fail"}': 1,
        'mails_sent_total{account="support"}': 2,
        'mails_sent_total{account=""}': 1,
        'mails_failed_total{account="support",code="TIMEOUT",reason=""}': 1,
        'mails_failed_total{account="",code="TIMEOUT",reason=""}': 2,
        'mails_failed_total{account="",code="REFUSED",reason=""}': 1,
    }


def test_two_workers_count_apart() -> None:
    one, other = Metrics(), Metrics()
    for metrics in (one, other, one):
        metrics.mail_sent("support")
    assert labelled(one) == {'mails_sent_total{account="support"}': 2}
    assert labelled(other) == {'mails_sent_total{account="support"}': 1}


def test_every_submission_is_timed_also_beside_others_and_one_that_fails() -> None:
    metrics = Metrics()
    with metrics.submitting(), metrics.submitting():
        pass
    with pytest.raises(ConnectionError), metrics.submitting():
        raise ConnectionError
    assert "smtp_connector_smtp_seconds_count 3.0" in metrics.text().decode()
