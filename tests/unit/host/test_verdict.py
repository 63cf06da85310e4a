from __future__ import annotations

from typing import Any

from clore_inference.host.failure import job_error
from clore_inference.host.job import FetchJob, ServeJob
from clore_inference.host.status import read_status
from clore_inference.host.verdict import Done, Failure, StartAgain, Wait, judge


def seen(**facts: Any) -> dict[str, Any]:
    return {"job": "j", "start_id": "s", "alive": True, "now": 100.0, "updated_at": 99.0, **facts}


def test_a_running_engine_and_complete_weights_are_done() -> None:
    ready = judge(seen(state="running", models=["m"]), kind="engine", job="j")
    assert isinstance(ready, Done)
    assert ready.result["start_id"] == "s"
    here = judge(seen(state="complete", alive=False, snapshot="/x"), kind="weights", job="j")
    assert isinstance(here, Done), "a complete fetch needs no living runner"


def test_what_loads_is_waited_for() -> None:
    assert judge(seen(state="loading"), kind="engine", job="j") == Wait()
    assert judge(seen(state="running"), kind="weights", job="j") == Wait()


def test_what_neither_runs_nor_is_complete_is_started_again() -> None:
    for facts in (
        {"state": "absent"},
        {"state": "loading", "job": "another"},
        {"state": "loading", "alive": False},
        {"state": "running", "alive": False},
        {"state": "stopped"},
    ):
        assert isinstance(judge(seen(**facts), kind="engine", job="j"), StartAgain), facts


def test_a_fresh_failure_is_told_and_an_old_or_told_one_is_tried_again() -> None:
    failed = {"state": "failed", "failure": {"kind": "gated", "text": "403"}, "tail": ["a"]}
    assert judge(seen(**failed), kind="weights", job="j") == Failure("gated", "403", ("a",))
    assert isinstance(judge(seen(**failed, told=True), kind="weights", job="j"), StartAgain)
    assert isinstance(judge(seen(**failed, now=1000.0), kind="weights", job="j"), StartAgain)


def test_a_failure_says_what_is_true_what_it_costs_and_what_to_run() -> None:
    job = FetchJob(repository="mistralai/X", revision="abc")
    error = job_error(
        job,
        Failure("gated", "403 Forbidden", ()),
        place="h:22",
        cost_note="order 123 goes on at 1.72 USD/h",
    )
    assert error.kind == "gated"
    assert str(error) == (
        "the weights of mistralai/X at abc did not arrive on h:22: gated: 403 Forbidden. "
        "order 123 goes on at 1.72 USD/h. Accept the license at https://huggingface.co/mistralai/X "
        "with the account of this token (hfToken or HF_TOKEN). Then run `pulumi up` again, or end "
        "all of it with `pulumi destroy`."
    )


def test_an_engine_s_failure_ends_with_its_last_lines() -> None:
    job = ServeJob(argv=("vllm", "serve"), served_model="m")
    text = str(job_error(job, Failure("crashed", "x", ("one", "two")), place="h:1", cost_note=""))
    assert text.endswith("The last lines of its log:\n  | one\n  | two")


def test_only_the_host_s_own_word_makes_an_engine_dead() -> None:
    assert read_status("").state == "absent"
    assert read_status('{"state": "absent", "alive": false}').state == "absent"
    assert read_status("garbage").state == "unreachable"
    assert read_status('{"state": "loading", "alive": true}').state == "loading"
    assert read_status('{"state": "restarting", "alive": true}').state == "loading"
    assert read_status('{"state": "running", "alive": true, "start_id": "s"}').start_id == "s"
    assert read_status('{"state": "running", "alive": false}').state == "dead"
    orphan = '{"state": "running", "alive": false, "engine_alive": true}'
    assert read_status(orphan).state == "running", "it serves, whoever watches it"
    dead = read_status('{"state": "failed", "failure": {"kind": "driver", "text": "too old"}}')
    assert (dead.state, dead.reason) == ("dead", "driver: too old")
