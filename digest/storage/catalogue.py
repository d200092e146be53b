"""The catalogue: what a service says of a person (papers, citations, h-index, places), kept for a week."""

from __future__ import annotations

from sqlalchemy import JSON, Column, String, Table

from digest.storage.base import Instant, metadata

catalogue = Table(
    "catalogue",
    metadata,
    Column("person", String(200), primary_key=True),  # openalex:A…, orcid:…, semanticscholar:…, else name:…
    Column("service", String(30), primary_key=True),
    Column("facts", JSON),  # null: the service knows nobody of that name, or more than one
    Column("asked_at", Instant, nullable=False),
    Column("found_at", Instant),
)
