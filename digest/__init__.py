"""Digest mails trending research papers to their readers, every day, from your own machine.

The whole flow, and the folder that holds each step:

1. sources    fetch what is due: feeds, arXiv, Hugging Face       Source -> FetchResponse -> ParsedFeed
2. entries    clean, identify and compare with what is held       EntryData -> EntryChange -> Entry
3. ranking    score by trend, topic, people, novelty; select      Entry -> Ranked(score, parts) -> Selection
4. editions   find the slot that is due, print what is new        Ranked -> Edition(Section(Item))
5. rendering  HTML and plain text, encoded once for all readers   Edition -> Message
6. delivery   SMTP, one outcome for every attempt                 Message -> Delivery -> Outcome

``services`` order these steps and own the transactions, ``storage`` remembers, ``app`` puts the parts together, and the
doors (``cli``, ``daemon``, ``web``) turn arguments, the clock and requests into one service call each.
"""

__version__ = "0.1.0"
