"""What is done about tasks without anybody asking for it: reminders, webhooks, their mails, and the purge."""

from tasks.background import purge, reminders, webhooks

JOBS = (*reminders.JOBS, *webhooks.JOBS, *purge.JOBS)
