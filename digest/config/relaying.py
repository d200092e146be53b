"""The options of a relay: how mail leaves, over how many connections, how fast, and which share of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from digest.config.fields import Count, Duration, OptionalPath, Port, Rate, option
from digest.config.preferences import STRICT


def _day(value: object) -> date:
    try:
        # A date's own type in TOML, a text in JSON; an instant is neither.
        return value if type(value) is date else date.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError("should be a date such as 2026-11-22") from error


class WarmUpSettings(BaseModel):
    """How a relay is made known: few mails a day at first, then more. Kept by all processes together."""

    model_config = STRICT

    first: Count = option(
        ..., "So many mails on the first day; also on the days before it.", kind="number", example=500
    )
    growth: Annotated[float, Field(strict=True, ge=1, le=10, allow_inf_nan=False)] = option(
        1.5, "Each day so many times what the day before had.", kind="number"
    )
    since: Annotated[date, BeforeValidator(_day)] = option(
        ..., "The first day.", kind="date", example="2026-11-22", alias="from"
    )
    until: Count | None = option(
        None, "From the day on that would have so many there is no limit.", kind="number", example=50_000
    )


class RelaySettings(BaseModel):
    """How mail leaves: one relay, or several [[smtp]] in order of preference."""

    model_config = STRICT

    transport: Literal["smtp", "lmtp", "maildir", "folder"] = option(
        "smtp",
        "smtp and lmtp talk to a server; maildir and folder write the mails into path.",
        kind="smtp | lmtp | maildir | folder",
    )
    host: str = option("localhost", "The server's name.", example="smtp.example.org", min_length=1)
    port: Port | None = option(
        None,
        "The server's port; without it 587 for starttls, 465 for tls, 25 for none, 24 for lmtp.",
        kind="number",
        example=587,
    )
    security: Literal["starttls", "tls", "none"] = option(
        "starttls", "How the connection is encrypted; certificates are checked.", kind="starttls | tls | none"
    )
    username: str = option("", "Login name; empty logs in as nobody.", example="digest@example.org")
    password_file: OptionalPath = option(
        None, "File whose first line is the password.", kind="path", example="smtp-password"
    )
    token_command: str = option(
        "",
        "Command that prints an OAuth 2.0 access token; logs in with it (XOAUTH2) instead of a password.",
        kind="command",
        example="oauth-token --account digest",
    )
    allow_plain_auth: bool = option(
        False, 'Let the password travel unencrypted (security = "none" with a username).', kind="true | false"
    )
    ca_file: OptionalPath = option(None, "Certificates to trust, not the system's.", kind="path", example="ca.pem")
    connections: Count = option(8, "At most so many connections are open at once.", kind="number", le=256)
    chunking: bool = option(True, "Send in chunks (BDAT, RFC 3030) where the server offers it.", kind="true | false")
    rate: Rate | None = option(
        None,
        "At most this many mails a second; with a PostgreSQL, by all processes together.",
        kind="number",
        example=10,
    )
    domain_rates: dict[str, Rate] = option(
        {}, "The same for the addresses of one domain.", kind="table", example={"gmail.com": 2}
    )
    weight: int = option(
        0,
        "Relays with a weight share the mails in this proportion. Those without come after them, in their order.",
        kind="number",
        strict=True,
        ge=0,
        le=1_000,
    )
    warm_up: WarmUpSettings | None = option(
        None,
        "So many mails on the first day (UTC), and each day so many times more: for an address that is new to the "
        "world.",
        kind="table",
        example={"first": 500, "growth": 1.5, "from": "2026-11-22", "until": 50_000},
    )
    timeout: Duration = option(
        "60s",
        "How long each step of connecting may take. A mail's commands have at least five minutes.",
        kind="duration",
    )
    path: OptionalPath = option(None, "Folder for the transports maildir and folder.", kind="path", example="outbox")

    @model_validator(mode="after")
    def _whole(self) -> RelaySettings:
        if self.transport in ("maildir", "folder") and self.path is None:
            raise ValueError(f'the transport "{self.transport}" needs a path to write the mails to')
        if self.password_file is not None and self.token_command:
            raise ValueError("give either a password_file or a token_command, not both")
        if self.token_command and not self.username:
            raise ValueError("a token_command needs a username")
        if self.username and self.password_file is None and not self.token_command:
            raise ValueError("a username needs a password_file or a token_command")
        if self.username and self.security == "none" and not self.allow_plain_auth:
            raise ValueError(
                'the password would travel unencrypted: set security to "starttls" or "tls", or allow_plain_auth = true'
            )
        return self

    @property
    def port_used(self) -> int:
        if self.port is not None:
            return self.port
        return 24 if self.transport == "lmtp" else {"starttls": 587, "tls": 465, "none": 25}[self.security]

    @property
    def address(self) -> str:
        """Where mail goes: a server and its port, or a folder."""
        return str(self.path) if self.transport in ("maildir", "folder") else f"{self.host.lower()}:{self.port_used}"
