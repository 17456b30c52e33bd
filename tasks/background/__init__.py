"""What is done about tasks without anybody asking for it: reminders, and their mails."""
