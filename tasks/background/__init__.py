"""What is done about tasks without anybody asking for it: reminders, webhooks, and their mails."""

from tasks.background import reminders, webhooks

JOBS = (*reminders.JOBS, *webhooks.JOBS)
