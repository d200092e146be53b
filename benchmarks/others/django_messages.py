"""Django: ``send_messages`` of EmailMultiAlternatives, a hundred at a time over one connection."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

port, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=port)
text, html = (folder / "mail.txt").read_text("utf-8"), (folder / "mail.html").read_text("utf-8")


def mail(number: int) -> EmailMultiAlternatives:
    to, token = f"reader{number}@example.org", f"{number:032x}"
    headers = {
        "List-Unsubscribe": f"<https://digest.example.org/unsubscribe/{token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    body, shown = (part.replace("@@TO@@", to).replace("@@TOKEN@@", token) for part in (text, html))
    one = EmailMultiAlternatives("Trending papers", body, "Digest <digest@example.org>", [to], headers=headers)
    one.attach_alternative(shown, "text/html")
    return one


connection = get_connection()
connection.open()
for start in range(0, count, 100):
    connection.send_messages([mail(number) for number in range(start, min(start + 100, count))])
connection.close()
