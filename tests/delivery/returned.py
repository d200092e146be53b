"""Reports as mail programs send them, written for these tests after the programs' forms; each with what it says.

PATH stands for the return path of the mail it is about, READER for its reader; ``mail`` puts others in their place.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.model.mail import ReportKind

PATH = "bounces+b2a-0123456789abcdef0123@list.example.org"
READER = "ada@uni.example"

HARD, SOFT, DELAYED = ReportKind.HARD, ReportKind.SOFT, ReportKind.DELAYED
COMPLAINT, AUTO_REPLY, UNRELATED = ReportKind.COMPLAINT, ReportKind.AUTO_REPLY, ReportKind.UNRELATED

_RETURNED = """Return-Path: <PATH>
From: The Daily <digest@list.example.org>
To: READER
Subject: Twelve papers
Message-ID: <00112233445566778899aabbccddeeff@list.example.org>
"""


@dataclass(frozen=True)
class Sample:
    """``says`` is (address, kind, status) for each recipient."""

    name: str
    text: str
    kind: ReportKind
    says: tuple[tuple[str, ReportKind, str], ...] = ()
    counts: bool = True


def mail(sample: Sample, *, path: str = PATH, reader: str = READER) -> bytes:
    """The bytes, about this mail."""
    return sample.text.replace("PATH", path).replace("READER", reader).replace("\n", "\r\n").encode()


def dsn(
    fields: str, *, said: str = "It did not work.\n", head: str = "", status: str = "message/delivery-status"
) -> str:
    """A report as RFC 3464 has it."""
    return f"""From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: PATH
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
{head}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="4f.1763/mx"

This is a MIME-encapsulated message.

--4f.1763/mx
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

{said}
--4f.1763/mx
Content-Description: Delivery report
Content-Type: {status}

Reporting-MTA: dns; mx.example.net
Arrival-Date: Sat, 21 Nov 2026 07:30:12 +0000 (UTC)

{fields}
--4f.1763/mx
Content-Description: Undelivered Message
Content-Type: message/rfc822

{_RETURNED}
The papers.

--4f.1763/mx--
"""


def plain(head: str, text: str) -> str:
    return f"{head}To: PATH\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{text}"


def failed(status: str, diagnostic: str = "", *, action: str = "failed", who: str = "READER") -> str:
    code = f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else ""
    return (
        f"Final-Recipient: rfc822; {who}\nAction: {action}\nStatus: {status}\nRemote-MTA: dns; mx.uni.example\n{code}"
    )


def complaint(feedback: str, more: str = "") -> str:
    return f"""From: <feedback@mail.example.com>
To: fbl@list.example.org
Subject: Complaint about a message from 192.0.2.7
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="arf_1"

--arf_1
Content-Type: text/plain; charset="US-ASCII"

A user says that he does not want this message.

--arf_1
Content-Type: message/feedback-report

Feedback-Type: {feedback}
User-Agent: Feedback-Loop/1.4
Version: 1
{more}Source-IP: 192.0.2.7

--arf_1
Content-Type: message/rfc822
Content-Disposition: inline

{_RETURNED}
The papers.
--arf_1--
"""


_DAEMON = "From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n"

SAMPLES = (
    Sample(
        "postfix, no such user",
        dsn(
            "X-Postfix-Queue-ID: 4F1A2\n\nFinal-Recipient: rfc822; READER\nOriginal-Recipient: rfc822;READER\n"
            "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.uni.example\nDiagnostic-Code: smtp; 550 5.1.1\n"
            "    <READER>: Recipient address rejected: User unknown in virtual mailbox table\n"
        ),
        HARD,
        ((READER, HARD, "5.1.1"),),
    ),
    Sample(
        "postfix, delayed",
        dsn(failed("4.4.1", action="delayed") + "Will-Retry-Until: Thu, 26 Nov 2026 07:30:12 +0000 (UTC)\n"),
        DELAYED,
        ((READER, DELAYED, "4.4.1"),),
    ),
    Sample("postfix, over quota", dsn(failed("5.2.2", "552 5.2.2 Mailbox full")), SOFT, ((READER, SOFT, "5.2.2"),)),
    Sample(
        "postfix, given up",
        dsn(failed("4.4.1", "connect to mx.uni.example[192.0.2.9]:25: Connection timed out")),
        SOFT,
        ((READER, SOFT, "4.4.1"),),
    ),
    Sample("postfix, no such host", dsn(failed("5.4.4")), SOFT, ((READER, SOFT, "5.4.4"),)),
    Sample(
        "postfix, policy",
        dsn(failed("5.7.1", "550 5.7.1 Service unavailable; client host [192.0.2.7] blocked")),
        SOFT,
        ((READER, SOFT, "5.7.1"),),
        counts=False,
    ),
    Sample(
        "postfix, too large",
        dsn(failed("5.3.4", "552 5.3.4 Message size exceeds fixed limit")),
        SOFT,
        ((READER, SOFT, "5.3.4"),),
        counts=False,
    ),
    Sample("delivered", dsn(failed("2.0.0", action="delivered") + "\n" + failed("2.1.5", action="relayed")), UNRELATED),
    Sample("expanded", dsn(failed("2.0.0", action="expanded (to multi-recipient alias)")), UNRELATED),
    Sample(
        "forwarded, the original is named",
        dsn("Original-Recipient: rfc822;READER\n" + failed("5.1.1", "550 5.1.1 unknown", who="ada.l@home.example")),
        HARD,
        (("ada.l@home.example", HARD, "5.1.1"),),
    ),
    Sample(
        "several recipients",
        dsn(
            failed("5.1.1", who="bo@uni.example")
            + "\n"
            + failed("4.2.2", "452 4.2.2 Over quota")
            + "\n"
            + failed("2.0.0", action="relayed", who="cy@uni.example")
        ),
        HARD,
        (("bo@uni.example", HARD, "5.1.1"), (READER, SOFT, "4.2.2")),
    ),
    Sample(
        "exim, report with its own header",
        dsn(
            "Action: failed\nFinal-Recipient: rfc822;READER\nStatus: 5.0.0\nRemote-MTA: dns; mx.uni.example\n"
            "Diagnostic-Code: smtp; 550 No such user here\n",
            head="X-Failed-Recipients: READER\n",
        ),
        HARD,
        ((READER, HARD, "5.0.0"),),
    ),
    Sample(
        "exim, prose, unknown",
        plain(
            "From: Mail Delivery System <Mailer-Daemon@mx.example.net>\nX-Failed-Recipients: READER\n"
            "Auto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender\n",
            "This message was created automatically by mail delivery software.\n\n"
            "A mail from you did not reach all its recipients. What failed for good:\n\n"
            "  READER\n    Unrouteable address\n\n"
            "------ This is a copy of the message, including all the headers. ------\n\n" + _RETURNED,
        ),
        HARD,
        ((READER, HARD, ""),),
    ),
    Sample(
        "exim, prose, quota",
        plain(
            "From: Mail Delivery System <Mailer-Daemon@mx.example.net>\nX-Failed-Recipients: READER\n"
            "Subject: Mail delivery failed: returning message to sender\n",
            "This message was created automatically by mail delivery software.\n\n"
            "  READER\n    host mx.uni.example [192.0.2.9]\n    SMTP error after RCPT TO:<READER>:\n"
            "    552 5.2.2 mailbox is over its quota\n\n",
        ),
        SOFT,
        ((READER, SOFT, "5.2.2"),),
    ),
    Sample(
        "exim, prose, delayed",
        plain(
            "From: Mail Delivery System <Mailer-Daemon@mx.example.net>\nSubject: Warning: delayed 24 hours\n",
            "This message was created automatically by mail delivery software.\n"
            "The mail has not yet been delivered after 24 hours on the queue. No action is required on your part.\n\n"
            "  READER\n    host mx.uni.example: retry timeout not reached\n",
        ),
        DELAYED,
        ((READER, DELAYED, ""),),
    ),
    Sample(
        "opensmtpd, tells the reason to people only",
        dsn(
            "Final-Recipient: rfc822; READER\nAction: failed\nStatus: 5.0.0\n",
            said="    Hi!\n\n    This is the MAILER-DAEMON, please do not answer.\n\n"
            "    Below is the list of recipients:\n\nREADER: 550 Invalid recipient\n",
        ),
        HARD,
        ((READER, HARD, "5.0.0"),),
    ),
    Sample(
        "opensmtpd, temporary",
        dsn(
            "Final-Recipient: rfc822; READER\nAction: failed\nStatus: 5.0.0\n",
            said="    Hi!\n\nREADER: 450 4.7.1 Greylisted, try again\n",
        ),
        SOFT,
        ((READER, SOFT, "4.7.1"),),
        counts=False,
    ),
    Sample(
        "qmail",
        plain(
            _DAEMON,
            "Hi. This is the qmail-send program at mx.example.net.\nYour message to the following addresses failed.\n\n"
            "<READER>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
            "<bo@uni.example>:\n192.0.2.9 said: 452 4.2.2 mailbox full\nGiving up.\n\n"
            "--- Below this line is a copy of the message.\n\n" + _RETURNED,
        ),
        HARD,
        ((READER, HARD, "5.1.1"), ("bo@uni.example", SOFT, "4.2.2")),
    ),
    Sample(
        "qmail, words only",
        plain(_DAEMON, "Hi. This is the qmail-send program at mx.example.net.\n\n<READER>:\nUser is unknown.\n"),
        HARD,
        ((READER, HARD, ""),),
    ),
    Sample(
        "postfix, its text without its report",
        plain(
            "From: Mail Delivery System <MAILER-DAEMON@mx.example.net>\nSubject: Undelivered Mail\n",
            "This is the mail system at host mx.example.net.\n\nSorry.\n\n"
            "<READER>: host mx.uni.example[192.0.2.9] said: 550 5.1.1 <READER>: unknown (in reply to\n"
            "    RCPT TO command)\n",
        ),
        HARD,
        ((READER, HARD, "5.1.1"),),
    ),
    Sample(
        "exchange, old",
        plain(
            "From: System Administrator <postmaster@corp.example>\nSubject: Undeliverable: Twelve papers\n",
            "Your message\n\n  To:      READER\n  Subject: Twelve papers\n  Sent:    Sat, 21 Nov 2026\n\n"
            "did not reach the following recipient(s):\n\nREADER on Sat, 21 Nov 2026 07:30:13 +0000\n"
            "    The e-mail account does not exist at the organization this message was sent to.\n"
            "        <mx.corp.example #5.1.1>\n",
        ),
        HARD,
        ((READER, HARD, "5.1.1"),),
    ),
    Sample(
        "exchange, new",
        dsn(
            failed(
                "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient READER not found by SMTP address lookup"
            ),
            head="X-MS-Exchange-Message-Is-Ndr:\nX-Auto-Response-Suppress: All\n",
        ),
        HARD,
        ((READER, HARD, "5.1.10"),),
    ),
    Sample(
        "exchange, access denied at the edge",
        dsn(failed("5.4.1", "550 5.4.1 Recipient address rejected: Access denied")),
        SOFT,
        ((READER, SOFT, "5.4.1"),),
    ),
    Sample(
        "domino",
        plain(
            "From: Postmaster@corp.example\nSubject: DELIVERY FAILURE: User ada (READER) not listed\n",
            "Your message\n\n  Subject: Twelve papers\n\nwas not delivered to:\n\n  READER\n\nbecause:\n\n"
            "  User ada (READER) not listed in Domino Directory\n",
        ),
        HARD,
        ((READER, HARD, ""),),
    ),
    Sample(
        "web mail, free text",
        plain(
            "From: MAILER-DAEMON@mail.example.com\nSubject: Failure Notice\n",
            "Sorry, we were unable to deliver your message to the following address.\n\n<READER>:\n"
            "554: delivery error: This user doesn't have a mail.example.com account (READER) [0]\n\n"
            "--- Forwarded message is attached.\n",
        ),
        HARD,
        ((READER, HARD, ""),),
    ),
    Sample(
        "gmail, unknown",
        dsn(
            failed(
                "5.1.1",
                "550-5.1.1 The email account that you tried to reach does not exist.\n"
                " 550 5.1.1 Please check for typos. - gsmtp",
            ),
            head="X-Failed-Recipients: READER\n",
        ),
        HARD,
        ((READER, HARD, "5.1.1"),),
    ),
    Sample(
        "gmail, too much mail just now",
        dsn(
            failed("5.2.1", "550-5.2.1 The user you are trying to contact is receiving mail at a rate that is too high")
        ),
        SOFT,
        ((READER, SOFT, "5.2.1"),),
        counts=False,
    ),
    Sample(
        "gmail, over quota",
        dsn(failed("4.2.2", "452-4.2.2 The recipient's inbox is out of storage space")),
        SOFT,
        ((READER, SOFT, "4.2.2"),),
    ),
    Sample(
        "html only",
        "From: postmaster@corp.example\nTo: PATH\nSubject: Undeliverable: papers\nContent-Type: text/html\n\n"
        "<p>Delivery has failed to:</p><p><a href='mailto:READER'>READER</a></p><p>550 5.1.1 no such user</p>\n",
        HARD,
        ((READER, HARD, "5.1.1"),),
    ),
    Sample(
        "utf-8 address",
        dsn(
            "Final-Recipient: utf-8; größe@bücher.example\nOriginal-Recipient: utf-8;gr\\x{F6}\\x{DF}e@bücher.example\n"
            "Action: failed\nStatus: 5.1.1\n",
            status="message/global-delivery-status",
        ),
        HARD,
        (("größe@bücher.example", HARD, "5.1.1"),),
    ),
    Sample(
        "no action, no words", dsn("Final-Recipient: rfc822; READER\nStatus: 5.1.1\n"), HARD, ((READER, HARD, "5.1.1"),)
    ),
    Sample(
        "failed with a status of success",
        dsn(failed("2.0.0", "550 5.1.1 no such user")),
        HARD,
        ((READER, HARD, "5.1.1"),),
    ),
    Sample("complaint", complaint("abuse"), COMPLAINT, (("", COMPLAINT, ""),)),
    Sample(
        "complaint like yahoo's",
        complaint(
            "abuse", "Original-Mail-From: <PATH>\nOriginal-Rcpt-To: READER\nReported-Domain: list.example.org\n"
        ).replace("Return-Path: <PATH>\n", ""),
        COMPLAINT,
        ((READER, COMPLAINT, ""),),
    ),
    Sample(
        "complaint, the reader is hidden",
        complaint("abuse", "Original-Rcpt-To: redacted-1f@x\n"),
        COMPLAINT,
        (("", COMPLAINT, ""),),
    ),
    Sample("fraud", complaint("Fraud"), COMPLAINT, (("", COMPLAINT, ""),)),
    Sample("not spam", complaint("not-spam"), UNRELATED),
    Sample("authentication report", complaint("auth-failure"), UNRELATED),
    Sample(
        "away, by its header",
        plain(
            "From: READER\nAuto-Submitted: auto-replied\nSubject: Re: papers\n",
            "User unknown until Monday. 550 5.1.1\n",
        ),
        AUTO_REPLY,
    ),
    Sample(
        "away, as exchange says it",
        plain(
            "From: READER\nAuto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\n"
            "Subject: Automatic reply: Twelve papers\n",
            "I am away.\n",
        ),
        AUTO_REPLY,
    ),
    Sample(
        "away, an old program",
        plain("From: READER\nPrecedence: bulk\nSubject: gone fishing\n", "Back in May.\n"),
        AUTO_REPLY,
    ),
    Sample(
        "away, its own header", plain("From: READER\nX-Autoreply: yes\nSubject: Hello\n", "Back in May.\n"), AUTO_REPLY
    ),
    Sample(
        "away, by its subject",
        plain("From: READER\nSubject: Out of Office: Twelve papers\n", "Back in May.\n"),
        AUTO_REPLY,
    ),
    Sample(
        "away, in German",
        plain("From: READER\nSubject: =?utf-8?q?Abwesenheitsnotiz=3A?= papers\n", "Bis Mai.\n"),
        AUTO_REPLY,
    ),
    Sample(
        "away, from the postmaster",
        plain("From: postmaster@uni.example\nSubject: Out of office\n", "The mailbox is full of letters.\n"),
        AUTO_REPLY,
    ),
    Sample(
        "challenge",
        plain("From: READER\nSubject: Please confirm your message\n", "Click here, or it is rejected.\n"),
        AUTO_REPLY,
    ),
    Sample(
        "read receipt",
        "From: READER\nTo: PATH\nSubject: Read: papers\n"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nI saw it.\n--b\n"
        "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;READER\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n",
        AUTO_REPLY,
    ),
    Sample(
        "a person writes",
        plain("From: READER\nSubject: a question\n", "What is 5.1.1? Mail delivery failed?\n"),
        UNRELATED,
    ),
    Sample(
        "a person forwards a bounce",
        "From: READER\nTo: PATH\nSubject: Fwd: Undelivered Mail\nContent-Type: multipart/mixed; boundary=f\n\n--f\n\n"
        "See below.\n--f\nContent-Type: message/rfc822\n\n" + dsn(failed("5.1.1")) + "\n--f--\n",
        UNRELATED,
    ),
    Sample(
        "the postmaster writes",
        plain("From: postmaster@uni.example\nSubject: maintenance\n", "We move on Monday.\n"),
        UNRELATED,
    ),
)
