"""How the admin writes dates and times: in one line of a column, and the same to people from everywhere."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j\u00a0M\u00a0Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "j\u00a0M\u00a0Y,\u00a0H:i"
