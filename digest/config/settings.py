"""Every option of the installation, declared once: its type, its default and the sentence that documents it.

Sources and digests are in publication.py, relays in relaying.py; this file joins all of them to the whole.

config.example.toml and docs/configuration.md are printed from these classes. Nothing is read here (loading.py) and
nothing is turned into the model here (build.py); only what one section can tell by itself is checked.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from digest.config.fields import (
    Address,
    Addresses,
    Bind,
    Count,
    Duration,
    Mailbox,
    OneOrMany,
    OptionalBind,
    OptionalPath,
    PasswordHash,
    Port,
    Topics,
    WebUrl,
    option,
)
from digest.config.preferences import STRICT
from digest.config.publication import LONGEST_WINDOW_DAYS, DigestSettings, SourceSettings
from digest.config.relaying import RelaySettings

#: Labels of the DNS; the name of a key.
SELECTOR = r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,60}[A-Za-z0-9])?$"
#: Days for which something is kept; no shorter than an edition may reach back.
Kept = Annotated[int, Field(strict=True, ge=LONGEST_WINDOW_DAYS)]


class DatabaseSettings(BaseModel):
    """Where everything is remembered."""

    model_config = STRICT

    url: str = option(
        "",
        "A SQLite file's path or URL, or postgresql://…; empty is digest.db beside this file.",
        kind="path or URL",
        example="postgresql://digest@localhost/digest",
    )
    prepared_statements: bool = option(
        True,
        "Let PostgreSQL keep prepared what is asked often; false behind a pooler by transactions that cannot.",
        kind="true | false",
    )


class SigningSettings(BaseModel):
    """A key that signs every mail (DKIM); write one [[dkim]] for each. Needs the extra "dkim"."""

    model_config = STRICT

    selector: str = option(
        ...,
        "Name of the key in the DNS: SELECTOR._domainkey.DOMAIN.",
        example="digest",
        pattern=SELECTOR,
    )
    key_file: OptionalPath = option(
        ..., "File with the private key, as `digest dkim keygen` writes it.", kind="path", example="dkim-digest.pem"
    )
    domain: str = option("", "The signing domain; empty is the sender's.", example="example.org", max_length=253)

    @model_validator(mode="after")
    def _whole(self) -> SigningSettings:
        if self.key_file is None:
            raise ValueError("a [[dkim]] needs a key_file")
        return self


class DeliverySettings(BaseModel):
    """What happens to a mail that could not be settled."""

    model_config = STRICT

    uncertain: Literal["hold", "resend"] = option(
        "hold",
        "A mail sent but never acknowledged: hold it for you to decide, or resend it (same Message-ID).",
        kind="hold | resend",
    )
    expire_after: Duration = option("36h", "Give up on an edition this long after it was planned.", kind="duration")
    soft_bounces: Count = option(
        5, "Suppress an address after so many soft bounces (a full mailbox, say) on different days.", kind="number"
    )
    soft_window: Duration = option("15d", "The time within which soft bounces are counted.", kind="duration")
    lease: Duration = option(
        "10m", "A sender that says nothing for this long has lost its mails to another.", kind="duration"
    )


class MailSettings(BaseModel):
    """Who writes."""

    model_config = STRICT

    from_: Mailbox = option(
        ...,
        "Sender of every mail: an address, or a name and an address.",
        example="Digest <digest@example.org>",
        alias="from",
    )
    reply_to: Address = option("", "Where answers go.", kind="address", example="you@example.org")
    postal_address: str = option(
        "", "Printed at the foot of every mail; many countries ask for it.", example="1 Main Street, Springfield"
    )
    alerts_to: Addresses = option(
        [],
        "Who is told when a source stays broken.",
        kind="address or list",
        example=["you@example.org"],
    )
    bounces_to: Address = option(
        "",
        "Where bounces come back to, with a token before the @. Empty: to the sender, and none counts. See [inbound].",
        kind="address",
        example="bounces@example.org",
    )
    unsubscribe_to: Address = option(
        "",
        "Address of the mailto form of unsubscribing; empty is the sender's. See [inbound] for reading it.",
        kind="address",
        example="leave@example.org",
    )
    templates: OptionalPath = option(
        None,
        "Folder of your own templates; a file there goes before ours of the same name.",
        kind="path",
        example="templates",
    )
    inliner: Literal["premailer", "css-inline"] = option(
        "premailer",
        'What puts the styles onto the elements of a mail; css-inline is faster and needs the extra "fast".',
        kind="premailer | css-inline",
    )


class WebSettings(BaseModel):
    """The small web server beside the daemon: unsubscribing, preferences, the mail on the web."""

    model_config = STRICT

    enabled: bool = option(True, "Let digest run answer web requests.", kind="true | false")
    bind: Bind = option("127.0.0.1:8025", "Address and port to listen on; put a TLS proxy before it.")
    monitor: OptionalBind = option(
        "",
        "Address and port that answer monitoring: /health, /ready and /metrics. Keep it from the world; empty is off.",
        kind="address:port",
        example="127.0.0.1:8026",
    )
    public_url: WebUrl = option(
        "",
        "Where readers reach it. Without it, mails carry only the mailto form of unsubscribing.",
        kind="URL",
        example="https://digest.example.org",
    )
    secret_file: OptionalPath = option(
        None,
        "File that holds the installation's secret; without it, the database holds one.",
        kind="path",
        example="digest.secret",
    )
    joins_per_hour: Count = option(
        300, "At most so many mails an hour answer forms that strangers fill in on the web.", kind="number"
    )
    api: bool = option(
        False,
        "Answer programs at public_url/api/v1, to the tokens that `digest tokens` makes.",
        kind="true | false",
    )
    api_requests: Count = option(600, "At most so many requests a minute by each of these tokens.", kind="number")


class OperatorSettings(BaseModel):
    """Who may use the desk, the operator's own pages; write one [[operator]] for each. Without any it is off."""

    model_config = STRICT

    name: str = option(
        ...,
        "The name to log in with, and under which the log says who did what.",
        example="ada",
        pattern=r"^[\w.@-]{1,100}$",
    )
    password_hash: PasswordHash = option(
        "",
        "What `digest desk password` prints; empty: only a link that `digest desk link` makes logs in.",
        kind="text",
        example=f"scrypt:15:8:3:{'A' * 22}:{'A' * 43}",
    )


class FetchSettings(BaseModel):
    """How sources are asked."""

    model_config = STRICT

    contact: str = option(
        "",
        "Address or URL in the User-Agent, so that a site can write to you; empty is the sender's address.",
        example="you@example.org",
        max_length=200,
        pattern=r"^[\x20-\x7e]*$",
    )
    timeout: Duration = option("30s", "How long to wait for a source.", kind="duration")
    max_bytes: Count = option(50_000_000, "Refuse documents larger than this, unpacked.", kind="number")
    arxiv_api: WebUrl = option(
        "https://export.arxiv.org/api/query",
        "Where the categories of arXiv papers are looked up when a source does not give them; empty is never.",
        kind="URL",
    )


class KeySettings(BaseModel):
    """Files whose first line is the key of a service; without one it is asked anonymously, where it lets us."""

    model_config = STRICT

    openalex: OptionalPath = option(None, "Key of OpenAlex.", kind="path", example="openalex-key")
    semanticscholar: OptionalPath = option(None, "Key of Semantic Scholar.", kind="path", example="s2-key")
    github: OptionalPath = option(None, "Token of GitHub.", kind="path", example="github-token")
    ncbi: OptionalPath = option(None, "Key of NCBI, for PubMed.", kind="path", example="ncbi-key")
    openreview: OptionalPath = option(
        None,
        "Login of OpenReview: the address on the first line, the password on the second.",
        kind="path",
        example="openreview-login",
    )


class CatalogueSettings(BaseModel):
    """Where the people that readers follow are looked up once a week: h-index, papers, citations, institutions."""

    model_config = STRICT

    services: tuple[Literal["openalex", "semanticscholar"], ...] = option(
        [],
        "Who is asked; empty asks those that have a key in [keys], and without any nobody.",
        kind="list",
        example=["openalex", "semanticscholar"],
    )


class InboundSettings(BaseModel):
    """Where mail to unsubscribe_to and bounces_to arrives: a maildir, or an IMAP mailbox. Empty: it is not read."""

    model_config = STRICT

    maildir: OptionalPath = option(None, "A maildir to read.", kind="path", example="/var/mail/digest")
    host: str = option("", "An IMAP server to read.", example="imap.example.org")
    port: Port = option(993, "Its port.", kind="number")
    security: Literal["tls", "starttls"] = option("tls", "How the connection is encrypted.", kind="tls | starttls")
    username: str = option("", "Login name.", example="leave@example.org")
    password_file: OptionalPath = option(
        None, "File whose first line is the password.", kind="path", example="imap-password"
    )
    folder: str = option("INBOX", "The mailbox's folder.", min_length=1)
    every: Duration = option("5m", "How often to look.", kind="duration")

    @model_validator(mode="after")
    def _whole(self) -> InboundSettings:
        if self.maildir and self.host:
            raise ValueError("give either a maildir or a host, not both")
        if self.host and not (self.username and self.password_file):
            raise ValueError("an IMAP host needs a username and a password_file")
        return self


class WebhookSettings(BaseModel):
    """Providers that tell bounces and complaints over HTTP, at public_url/webhooks/PROVIDER. Empty: not listened to."""

    model_config = STRICT

    ses_topics: Topics = option(
        [],
        'ARNs of the topics at which Amazon SES tells them. Needs the extra "webhooks".',
        kind="list",
        example=["arn:aws:sns:eu-west-1:123456789012:bounces"],
    )
    postmark_password_file: OptionalPath = option(
        None, "File whose first line is the password that Postmark shows.", kind="path", example="postmark-password"
    )
    mailgun_key_file: OptionalPath = option(
        None, "File whose first line is Mailgun's webhook signing key.", kind="path", example="mailgun-key"
    )
    sendgrid_key: str = option(
        "",
        'The public key of SendGrid\'s "Signed Event Webhook". Needs the extra "webhooks".',
        example="MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…",
        max_length=2_000,
    )


class RankingSettings(BaseModel):
    """What is true of every digest's ranking; what a digest or reader prefers stands there."""

    model_config = STRICT

    prestige: bool = option(
        True, "Let the earlier success of authors and institutions speak for a new paper.", kind="true | false"
    )
    refit: bool = option(
        True, "Learn from the votes of your own papers what to expect, once there are enough.", kind="true | false"
    )
    semantic: str = option(
        "",
        'Sentence-embedding model (ONNX) for likes: a folder, or a name in the local model cache. Extra "semantic".',
        kind="path or name",
        example="models/all-MiniLM-L6-v2",
    )


class RetentionSettings(BaseModel):
    """How long things are kept. Papers and what was sent to whom stay as long as the law of never twice needs them."""

    model_config = STRICT

    days: Kept = option(400, "Keep encoded mails for this many days.", kind="number")
    deliveries_days: Kept = option(
        90,
        "Keep single deliveries for this many days (a large ledger: up to six more), then daily totals.",
        kind="number",
    )


class Settings(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True, env_prefix="DIGEST_"
    )

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    mail: MailSettings
    smtp: Annotated[tuple[RelaySettings, ...], OneOrMany] = Field(default=(RelaySettings(),), min_length=1)
    dkim: Annotated[tuple[SigningSettings, ...], OneOrMany] = ()
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    web: WebSettings = Field(default_factory=WebSettings)
    operator: Annotated[tuple[OperatorSettings, ...], OneOrMany] = ()
    fetch: FetchSettings = Field(default_factory=FetchSettings)
    keys: KeySettings = Field(default_factory=KeySettings)
    catalogue: CatalogueSettings = Field(default_factory=CatalogueSettings)
    inbound: InboundSettings = Field(default_factory=InboundSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    ranking: RankingSettings = Field(default_factory=RankingSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    source: Annotated[tuple[SourceSettings, ...], OneOrMany] = ()
    digest: Annotated[tuple[DigestSettings, ...], OneOrMany] = ()
