"""What Postfix and OpenSMTPD really write to their logs settles what is uncertain."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from digest.services.sending.reconcile import Log, Reconciled
from digest.storage import people
from digest.storage.deliveries import deliveries
from tests.acceptance.servers import MAILBOXES, PASSWORD, READERS, USER, Onward, Server, running, wait_for
from tests.services.sending import Office, identity, office

#: What each becomes by the log alone; the last one was never sent.
EXPECTED = {
    f"{MAILBOXES[0]}@{READERS}": "accepted",
    f"{MAILBOXES[1]}+papers@{READERS}": "accepted",
    f"nobody@{READERS}": "rejected",
    "gone@away.example": "rejected",
    "full@away.example": "rejected",
    "busy@away.example": "accepted",
    f"{MAILBOXES[2]}@{READERS}": "uncertain",
}


@pytest.fixture(
    params=[
        pytest.param("Postfix", marks=pytest.mark.needs_postfix),
        pytest.param("OpenSMTPD", marks=pytest.mark.needs_opensmtpd),
    ],
)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    onward = Onward()
    with running(request.param, tmp_path, onward) as made:
        yield made
    onward.close()


def submit(server: Server, sender: str, recipient: str, message_id: str) -> None:
    """As our own sender does, but for the answer, which got lost."""
    with smtplib.SMTP("127.0.0.1", server.port) as session:
        if server.encrypts:
            context = ssl.create_default_context(cafile=str(server.root.post / "cert.pem"))
            context.check_hostname = False
            session.starttls(context=context)
            session.login(USER, PASSWORD)
        session.sendmail(sender, [recipient], f"Message-ID: {message_id}\r\nSubject: x\r\n\r\nx\r\n")


def as_syslog(server: Server) -> bytes:
    """OpenSMTPD in the foreground leaves it to syslog to put date, host and program before its lines."""
    lines = server.log.splitlines()
    if server.name == "OpenSMTPD":
        head = f"{datetime.now(UTC).isoformat()} relay smtpd[1]: "
        lines = [f"{head}{line}" for line in lines]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("database", ["sqlite"])
def test_the_log_settles_what_it_proves(store, server: Server):
    desk: Office = office(store, len(EXPECTED))
    now = datetime.now(UTC)
    for number, address in enumerate(EXPECTED, 1):
        with store.transaction() as tx:
            values = {"state": "uncertain", "address": address, "tried_at": now, "settled_at": now}
            tx.execute(update(deliveries).where(deliveries.c.id == number).values(**values))
        shown = desk.ledger.show(number)
        if EXPECTED[address] != "uncertain":
            submit(server, shown.return_path, address, shown.message_id)

    def told(*, dry_run: bool = True) -> Reconciled:
        log = Log(name="mail.log", blocks=iter([as_syslog(server)]))
        return desk.reconcile.run([log], dry_run=dry_run)

    def states() -> dict[str, str]:
        return {one.address: one.state for one in told().found}

    wait_for(lambda: states() == EXPECTED or time.sleep(0.3), server)
    found = {one.address: one for one in told(dry_run=False).found}
    assert found["gone@away.example"].enhanced == "5.1.1"
    assert found["full@away.example"].enhanced == "5.2.2"
    assert found[f"{MAILBOXES[2]}@{READERS}"].queue_id == ""
    assert identity(store) == {"accepted": 3, "rejected": 3, "uncertain": 1}
    with store.reading() as tx:
        listed = {one.address for one in people.suppression_list(tx)}
    assert "gone@away.example" in listed
    assert "full@away.example" not in listed


@pytest.mark.needs_postfix
@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize("server", [pytest.param("Postfix", marks=pytest.mark.needs_postfix)], indirect=True)
def test_a_mail_whose_head_alone_was_read_is_not_taken(store, server: Server):
    """The connection broke in mid-content: Postfix has written the Message-ID down, and dropped the mail."""
    desk = office(store, 1)
    now = datetime.now(UTC)
    with store.transaction() as tx:
        tx.execute(update(deliveries).values(state="uncertain", tried_at=now, settled_at=now + timedelta(seconds=1)))
    shown = desk.ledger.show(1)
    session = smtplib.SMTP("127.0.0.1", server.port)
    context = ssl.create_default_context(cafile=str(server.root.post / "cert.pem"))
    context.check_hostname = False
    session.starttls(context=context)
    session.login(USER, PASSWORD)
    session.mail(shown.return_path)
    session.rcpt(f"{MAILBOXES[0]}@{READERS}")
    session.docmd("DATA")
    session.send(f"Message-ID: {shown.message_id}\r\nSubject: x\r\n\r\n{'x' * 70}\r\n" + f"{'y' * 70}\r\n" * 2000)
    session.close()
    wait_for(lambda: "lost connection after" in server.log and shown.message_id in server.log, server)
    (one,) = desk.reconcile.run([Log(name="mail.log", blocks=iter([as_syslog(server)]))]).found
    assert (one.state, one.reason) == ("uncertain", "the relay began to read it and did not keep it")
