"""The store: SQLAlchemy Core tables and the functions that read and write them, one file a subject.

Functions take ``tx`` (an open connection) and never begin or end a transaction; services do. SQLite and PostgreSQL
run the same code. Unique indices refuse what must not happen twice.
"""
