"""The metrics of several processes as one."""

from connector.model.job import Complete
from connector.observe.metrics import Addition, Metrics

SENT = 'smtp_connector_mails_sent_total{account=""}'


def counted(sent: int, in_flight: int = 0) -> str:
    """What a process says that has sent so many mails."""
    metrics = Metrics()
    for _ in range(sent):
        metrics.mail_sent(None)
        metrics.job_reported(Complete(), metrics.job_taken("send"))
    metrics.count_in_flight(lambda: in_flight)
    return metrics.text().decode()


def lines(addition: Addition) -> list[str]:
    return addition.text().decode().splitlines()


def test_what_processes_count_adds_up() -> None:
    addition = Addition()
    addition.heard(1, counted(2, in_flight=3))
    addition.heard(2, counted(5, in_flight=4))
    said = lines(addition)
    assert f"{SENT} 7.0" in said
    assert "smtp_connector_jobs_in_flight 7.0" in said
    assert 'smtp_connector_jobs_taken_total{task_type="send"} 7.0' in said
    assert 'smtp_connector_job_seconds_bucket{le="+Inf"} 7.0' in said
    assert "smtp_connector_job_seconds_count 7.0" in said


def test_a_process_is_counted_once_however_often_it_is_heard() -> None:
    addition = Addition()
    addition.heard(1, counted(2))
    addition.heard(1, counted(3))
    assert f"{SENT} 3.0" in lines(addition)


def test_a_counter_does_not_fall_when_a_process_ends_and_a_gauge_does() -> None:
    addition = Addition()
    addition.heard(1, counted(2, in_flight=3))
    addition.ended(1)
    assert f"{SENT} 2.0" in lines(addition)
    addition.heard(1, counted(1, in_flight=1))
    assert f"{SENT} 3.0" in lines(addition)
    assert "smtp_connector_jobs_in_flight 1.0" in lines(addition)


def test_the_end_of_a_process_that_nobody_heard_changes_nothing() -> None:
    addition = Addition()
    addition.heard(2, counted(2))
    addition.ended(1)
    assert f"{SENT} 2.0" in lines(addition)


def test_the_version_is_no_sum() -> None:
    addition = Addition()
    addition.heard(1, counted(0))
    addition.heard(2, counted(0))
    (build,) = [line for line in lines(addition) if line.startswith("smtp_connector_build_info{")]
    assert build.endswith(" 1.0")


def test_the_sum_of_one_is_what_it_said() -> None:
    addition, text = Addition(), counted(2)
    addition.heard(1, text)
    assert addition.text().decode() == text
