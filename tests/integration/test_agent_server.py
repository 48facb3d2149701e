"""The agents' server over real sockets: who may speak, held calls, shared commits, ticks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.domain.errors import ConfigError
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.rpc.server import AgentServer, Listening
from orchestrator.trust import (
    DeviceFiles,
    Gatekeeper,
    create_ca,
    enroll_local,
    revoke,
    server_credentials,
    sign_device,
)
from protos.farm.v1.agents_pb2_grpc import AgentsStub
from protos.states import CellState, DeviceState, RunState
from tests.support import factories as make
from tests.support.runtime import FARM, Served, serve
from tests.support.speaking import (
    SOON_S,
    ask,
    fetch,
    granted,
    refused,
    running,
    state,
    status,
)
from tests.support.waiting import wait_until

#: Longer than any test waits: a call that is answered was answered for news, not for its age.
HELD_S = 600.0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A farm of one device, served."""
    with serve(tmp_path, hold_s=HELD_S) as running:
        yield running


@pytest.fixture
def agent(served: Served) -> AgentsStub:
    """Its agent's line."""
    return served.dial(served.enroll("local"))


# who may speak


def test_a_device_is_known_by_its_certificate(served: Served, agent: AgentsStub) -> None:
    """Its word moves the device its certificate names."""
    granted(served, agent)
    status = served.desk.store.device("local")
    assert (status.state, status.agent_version) == (DeviceState.LEASED, "1.2")
    assert dict(status.facts) == {"cpu.model": "test"}


def test_no_certificate_is_no_connection(served: Served) -> None:
    """Mutual TLS from the first byte."""
    ca = (served.trust / "ca.crt").read_bytes()
    stub = served.connect(grpc.ssl_channel_credentials(ca))
    code, _ = refused(lambda: ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_another_cas_certificate_is_no_connection(served: Served, tmp_path: Path) -> None:
    """The same names, signed by somebody else."""
    create_ca(tmp_path / "other", FARM)
    files = enroll_local(tmp_path / "other", FARM, "local", tmp_path / "stranger")
    stub = served.dial(files, ca=served.trust / "ca.crt")
    code, _ = refused(lambda: ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_a_server_of_another_name_is_not_spoken_to(served: Served) -> None:
    """An agent of another farm does not take this one for its own."""
    stub = served.dial(served.enroll("local"), name="farm-other")
    code, _ = refused(lambda: ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def _certified(served: Served, farm_id: str, valid_s: tuple[float, float]) -> DeviceFiles:
    files = served.enroll("local")
    key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    ca_key = serialization.load_pem_private_key(
        (served.trust / "ca.key").read_bytes(), password=None
    )
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    valid = (now + timedelta(seconds=valid_s[0]), now + timedelta(seconds=valid_s[1]))
    ca = (served.trust / "ca.crt").read_bytes()
    pem = sign_device(ca_key, ca, farm_id, "local", key.public_key(), valid)
    files.certificate.write_bytes(pem)
    return files


def test_an_expired_certificate_is_no_connection(served: Served) -> None:
    """Judged by the orchestrator's clock at the handshake."""
    stub = served.dial(_certified(served, FARM, (-7200, -3600)))
    code, _ = refused(lambda: ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_expires_meanwhile_is_refused(served: Served) -> None:
    """A connection outlives a certificate; a call does not."""
    stub = served.dial(_certified(served, FARM, (-60, 3)))
    wait_until(lambda: "expired on" in status(lambda: fetch(stub, "0" * 64, 0))[1])
    code, _ = refused(lambda: ask(stub))
    assert code is grpc.StatusCode.PERMISSION_DENIED


def test_a_revoked_certificate_is_refused_on_a_living_connection(
    served: Served, agent: AgentsStub
) -> None:
    """At the next tick, by name, without a new handshake."""
    granted(served, agent)
    revoke(served.trust, served.enroll("local").certificate.read_bytes(), "stolen")

    denied = grpc.StatusCode.PERMISSION_DENIED
    wait_until(lambda: status(lambda: fetch(agent, "0" * 64, 0))[0] is denied)
    assert "revoked: stolen" in refused(lambda: ask(agent))[1]


def test_a_device_that_is_not_declared_is_refused(served: Served) -> None:
    """A good certificate of a device that left the inventory."""
    stub = served.dial(served.enroll("retired"))
    code, text = refused(lambda: ask(stub))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "retired is not in the inventory" in text


def test_another_farms_device_is_refused(served: Served) -> None:
    """Whatever CA signed it, the certificate names its farm."""
    stub = served.dial(_certified(served, "farm-other", (-60, 3600)))
    code, _ = refused(lambda: ask(stub))
    assert code is grpc.StatusCode.PERMISSION_DENIED


# held calls


def test_a_held_call_is_answered_when_work_appears(served: Served, agent: AgentsStub) -> None:
    """Long before it would be answered for its age."""
    call = agent.Synchronize.future(state(), timeout=30)
    wait_until(lambda: served.desk.store.device("local").agent_version == "1.2")
    assert not call.done()
    run_id = served.desk.order()
    served.server.wake()
    assert len(call.result(timeout=SOON_S).assignments) == 1
    assert served.desk.run(run_id).state is RunState.RUNNING


def test_a_call_without_news_is_answered_in_the_end(tmp_path: Path) -> None:
    """So that the agent knows the line is good, and its lease is renewed."""
    with serve(tmp_path, hold_s=0.3) as served:
        desired = ask(served.dial(served.enroll("local")))
        assert not desired.HasField("lease")


def test_a_cancel_reaches_a_held_call(served: Served, agent: AgentsStub) -> None:
    """The running attempt is to be stopped at once."""
    ref = granted(served, agent)
    call = agent.Synchronize.future(running(ref), timeout=30)
    wait_until(lambda: served.desk.granted()[0].state == "running")
    served.server.call(lambda t: t.cancel_run(1, served.desk.now()))
    assert list(call.result(timeout=SOON_S).stop) == [ref]


def test_a_newer_call_takes_over(served: Served, agent: AgentsStub) -> None:
    """The older one ends at once: its word is old."""
    older = agent.Synchronize.future(state(), timeout=30)
    wait_until(lambda: served.desk.store.device("local").agent_version == "1.2")
    newer = agent.Synchronize.future(state(agent_version="2"), timeout=30)
    assert refused(lambda: older.result(timeout=SOON_S))[0] is grpc.StatusCode.UNAVAILABLE
    assert not newer.done()
    served.server.stop()


def test_the_same_is_not_said_without_pause(served: Served, agent: AgentsStub) -> None:
    """An agent that keeps saying the same does not make the server spin."""
    ref = granted(served, agent)
    served.server.call(lambda t: t.cancel_run(1, served.desk.now()))
    began_s = time.monotonic()
    for _ in range(3):
        assert list(ask(agent, running(ref)).stop) == [ref]
    assert time.monotonic() - began_s > 0.9


def test_stopping_ends_held_calls(tmp_path: Path) -> None:
    """It says to try again, and does not wait for their age; a server can stop twice."""
    with serve(tmp_path, hold_s=HELD_S) as served:
        agent = served.dial(served.enroll("local"))
        call = agent.Synchronize.future(state(), timeout=30)
        wait_until(lambda: served.desk.store.device("local").agent_version == "1.2")
        served.server.stop()
        code, _ = refused(lambda: call.result(timeout=SOON_S))
        assert code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        served.server.stop()


def test_a_taken_port_is_told(served: Served) -> None:
    """In one line, and nothing is left running."""
    listening = Listening(
        served.server.address,
        server_credentials(served.trust),
        Gatekeeper(served.trust, FARM),
    )
    second = AgentServer(
        served.desk.scheduler,
        served.writer,
        served.blobs,
        served.uploads,
        listening,
        served.desk.clock,
    )
    with pytest.raises(ConfigError, match="cannot listen on 127"):
        second.start()
    with pytest.raises(ConfigError):
        second.wait(1)
    second.stop()


def test_silence_ends_a_lease_while_serving(tmp_path: Path) -> None:
    """The ticks of a real server expire it, and the cell goes to who asks next."""
    with serve(tmp_path, lease_s=0.6, grace_s=0.2) as served:
        agent = served.dial(served.enroll("local"))
        granted(served, agent)
        wait_until(lambda: served.desk.states(1) == [CellState.READY])
        assert ask(agent).lease.fence == 2


def test_calls_of_many_devices_share_a_commit(tmp_path: Path) -> None:
    """What waits while the disk is busy becomes durable together."""
    names = [f"device-{number}" for number in range(8)]
    with serve(tmp_path, *(make.device(name) for name in names)) as served:
        lines = [served.dial(served.enroll(name)) for name in names]
        served.desk.order(
            make.product([make.case()], [Mode(Runtime.NATIVE)], list(served.desk.devices.values()))
        )
        busy, go_on = threading.Event(), threading.Event()

        def work(_: object) -> None:
            busy.set()
            assert go_on.wait(SOON_S)

        held_up = served.writer.submit(work)
        assert busy.wait(SOON_S)
        calls = [line.Synchronize.future(state(), timeout=30) for line in lines]
        # All calls are there once the tick that came after them waits as well.
        threading.Event().wait(1.0)
        before = served.disk.commits
        go_on.set()
        held_up.result(SOON_S)
        for call in calls:
            assert len(call.result(timeout=SOON_S).assignments) == 1
        assert served.disk.commits - before <= 4


def test_the_server_survives_ticks_without_a_database(served: Served, agent: AgentsStub) -> None:
    """Lost ticks are made up for; the server does not end."""
    served.disk.full = True
    assert not served.server.wait(0.5)
    served.disk.full = False
    granted(served, agent)
