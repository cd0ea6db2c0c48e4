"""A daemon without the extra `http`: everything that is GET, and a word about the rest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import ROOT, AgentProcess
from tests.integration.http.conftest import LAB
from tests.integration.http.sse import Stream
from tests.integration.http.web import ask, raw, statuses

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    hidden = tmp_path_factory.mktemp("hidden")
    (hidden / "h11.py").write_text("raise ModuleNotFoundError('hidden')\n")
    with DaemonProcess(environ={"PYTHONPATH": f"{hidden}:{ROOT}"}) as daemon:
        with AgentProcess(LAB, daemon.environ()) as agent:
            agent.wait_until_it_says("connected to")
            yield daemon
        assert "Traceback" not in daemon.log.read_text()


def test_what_is_get_works(bare: DaemonProcess) -> None:
    assert ask(bare.port, "GET", "/call/lab.add?a=1").json["sum"] == 2
    for path in ("/healthz", "/readyz", "/metrics", "/asyncapi.json", "/state/"):
        assert ask(bare.port, "GET", path).status == 200
    assert ask(bare.port, "HEAD", "/healthz").body == b""
    with Stream(bare.port, "/listen/X").until_listening():
        pass


def test_what_has_a_body_says_what_to_install(bare: DaemonProcess) -> None:
    for method, body in (("POST", 1), ("PUT", 1), ("GET", {"a": 1})):
        answer = ask(bare.port, method, "/emit/X", body)
        assert answer.status in {400, 501}
    assert "pip install 'askrd[http]'" in ask(bare.port, "POST", "/emit/X").json["error"]["message"]


@pytest.mark.parametrize(
    "rest",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"X: a\r\n b\r\n\r\n", b": x\r\n\r\n"],
)  # fmt: skip
def test_a_request_that_hides_a_body_is_refused_and_closes(
    bare: DaemonProcess, rest: bytes
) -> None:
    ping = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = raw(bare.url, ping + b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + rest + ping)
    assert statuses(answer)[0] == 200
    assert statuses(answer)[1] in {400, 501}
    assert len(statuses(answer)) == 2


def test_the_workspace_of_the_tests_is_the_one_that_is_tested() -> None:
    import askrd

    assert Path(askrd.__file__).is_relative_to(ROOT)
