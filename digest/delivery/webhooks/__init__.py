"""What providers of mail tell over HTTP of mails that did not arrive, or were called spam; a file a provider. Pure.

Each takes a request's body (and headers, where they sign there), the key it must be signed with, and the time; it gives
Reports (model/mail.py), or raises Forged for a request that is not the provider's own, or too old, and InputError for
one that cannot be read. What was read is a claim like that of a mail: services/readers/feedback.py compares it with the
ledger.

How sure a request is the provider's differs. Amazon and SendGrid sign the whole of it, Mailgun signs only that it
wrote, and Postmark shows a password. None has an order number, and all send a request again that was not answered with
200. So the age that is allowed is as long as the provider repeats, and what was told twice counts once.
"""
