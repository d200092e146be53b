"""As tutorials do it: for each recipient render a Jinja template, inline its styles with premailer, connect, send.

The templates are the parts of the same mail before inlining, recipient and token being their variables.
"""

import smtplib
import sys
from email.message import EmailMessage
from pathlib import Path

from jinja2 import Environment
from premailer import transform

port, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
# A style sheet may hold what Jinja takes for its own marks.
marks = {"variable_start_string": "@@", "variable_end_string": "@@", "comment_start_string": "@#"}
jinja = Environment(autoescape=True, comment_end_string="#@", block_start_string="@%", block_end_string="%@", **marks)
page = jinja.from_string((folder / "styled.html").read_text("utf-8"))
plain = jinja.from_string((folder / "mail.txt").read_text("utf-8"))
for number in range(count):
    to, token = f"reader{number}@example.org", f"{number:032x}"
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Digest <digest@example.org>", to, "Trending papers"
    mail["List-Unsubscribe"] = f"<https://digest.example.org/unsubscribe/{token}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(plain.render(TO=to, TOKEN=token))
    mail.add_alternative(transform(page.render(TO=to, TOKEN=token)), subtype="html")
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(mail)
