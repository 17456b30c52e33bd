"""Calendars: the tasks behind a secret address, as apps for iCalendar read them (RFC 5545). Nothing is written here."""
